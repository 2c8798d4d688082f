# about: a worker loses its power and gets it back: the same node, and it runs tasks again
# hosts: 2
swarm_of 2 1
make_service each --mode global
until_ok 30 'one on each' running each 2
docker node ls
lab restart 2
until_ok 60 'host 2 is ready' state host2 ready
until_ok 90 'it has its container again' on 2 containers each 1
until_ok 60 'one on each' running each 2
docker node ls
docker service ls
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}'
