# about: a paused host keeps its tasks and gets no new ones
# hosts: 2
swarm_of 2 1
make_service web --replicas 2
until_ok 30 'two tasks run' running web 2
docker node update --availability pause host2
docker service scale -d web=4
until_ok 30 'four tasks run' running web 4
sorted docker service ps web --format '{{.Node}} {{.DesiredState}}'
docker node ps host2 --format '{{.Image}} {{.DesiredState}}'
on 2 engine docker ps --format '{{.Image}}'
docker node update --availability active host2
docker service scale -d web=6
until_ok 30 'six tasks run' running web 6
until_ok 20 'three on each' containers web 3
on 2 engine docker ps --format '{{.Image}}'
