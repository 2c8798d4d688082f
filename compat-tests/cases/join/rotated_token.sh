# about: a rotated token lets nobody in, the new one does, and the other role's token stays
# hosts: 3
swarm_init
worker=$(try docker swarm join-token -q worker)
manager=$(try docker swarm join-token -q manager)
on 2 docker swarm join --token "$worker" "$H1:2377"
docker swarm join-token --rotate worker
on 3 docker swarm join --token "$worker" "$H1:2377"
docker swarm join-token worker
docker swarm join-token -q manager
new=$(docker swarm join-token -q --rotate manager)
on 3 docker swarm join --token "$manager" "$H1:2377"
on 3 docker swarm join --token "$new" "$H1:2377"
until_ok 20 'three nodes are ready' ready 3
docker node ls
api GET /swarm
