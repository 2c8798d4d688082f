# about: a host whose daemon is killed is down after a while, its tasks run elsewhere, and it comes back
# hosts: 2
swarm_of 2 1
make_service web --replicas 2
until_ok 30 'two tasks run' running web 2
sorted docker service ps web --format '{{.Node}}'
lab off 2
until_ok 60 'host 2 is down' state host2 down
until_ok 60 'both tasks run on host 1' containers web 2
until_ok 30 'two tasks run' running web 2
docker node ls
docker node inspect host2 --format '{{.Status.State}} {{.Status.Message}}'
docker service ps web --filter desired-state=running --format '{{.Name}} {{.Node}}'
docker service ls
lab on 2
until_ok 60 'host 2 is ready' state host2 ready
until_ok 30 'nothing moved back' on 2 containers web 0
docker node ls
docker service ps web --filter desired-state=running --format '{{.Name}} {{.Node}}'
docker service scale -d web=4
until_ok 30 'four tasks run' running web 4
until_ok 30 'two of them on host 2' on 2 containers web 2
