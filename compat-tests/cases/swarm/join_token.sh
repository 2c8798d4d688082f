# about: join tokens of both roles, quiet, rotated, and what rotation changes
# hosts: 1
swarm_init
docker swarm join-token worker
docker swarm join-token -q worker
docker swarm join-token manager
docker swarm join-token -q manager
wire docker swarm join-token --rotate -q worker
docker swarm join-token -q worker
docker swarm join-token -q manager
docker swarm join-token --rotate manager
docker swarm join-token -q manager
docker swarm join-token boss
docker swarm join-token
api GET /swarm
