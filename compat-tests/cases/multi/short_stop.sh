# about: the daemon of a worker stops and starts again: the same node, as many tasks as before
# hosts: 2
swarm_of 2 1
make_service web --replicas 4
make_service each --mode global
until_ok 30 'four tasks run' running web 4
until_ok 30 'one on each' running each 2
docker node ls
daemon stop 2
until_ok 30 'host 2 is down' state host2 down
daemon start 2
until_ok 40 'host 2 is ready' state host2 ready
until_ok 60 'four tasks run' running web 4
until_ok 60 'one on each' running each 2
docker node ls
docker service ls
sorted docker service ps each --filter desired-state=running --format '{{.Node}}'
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}'
