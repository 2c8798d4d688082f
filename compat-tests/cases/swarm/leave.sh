# about: the last manager leaves: refused without force; afterwards the node is as before
# hosts: 1
swarm_init
docker swarm leave
api POST /swarm/leave
docker info --format '{{.Swarm.LocalNodeState}}'
wire docker swarm leave --force
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}'
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
api GET /info
api POST /swarm/leave
docker swarm init --advertise-addr "$H1" --task-history-limit 9
docker node ls
