# about: tasks of a drained host move to the other and do not move back
# hosts: 2
swarm_of 2 1
make_service web --replicas 4
until_ok 30 'four tasks run' running web 4
until_ok 30 'two on each' on 2 containers web 2
docker node update --availability drain host2
until_ok 30 'four tasks run on host 1' containers web 4
until_ok 30 'none on host 2' on 2 containers web 0
until_ok 30 'four tasks run' running web 4
docker node ls
docker service ps web --filter desired-state=running --format '{{.Name}} {{.Node}}'
docker node ps host2 --filter desired-state=running --format '{{.Name}}'
docker node update --availability active host2
docker service scale -d web=6
until_ok 30 'six tasks run' running web 6
sorted docker service ps web --filter desired-state=running --format '{{.Node}}'
on 2 engine docker ps --format '{{.Image}}'
