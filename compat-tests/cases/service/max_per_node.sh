# about: at most so many replicas on a node
# hosts: 1
swarm_init
make_service web --replicas 3 --replicas-max-per-node 2
until_ok 30 'two tasks run' running web 2
until_ok 10 'the scheduler has said why' 'docker service ps --format "{{.Error}}" web | grep .'
sorted docker service ps web --no-trunc --format "[{{.Node}}] {{.DesiredState}} {{.Error}}"
docker service ls
docker service inspect --pretty web
docker service update -d --replicas-max-per-node 0 web
until_ok 30 'three tasks run' running web 3
docker service ls
docker service create -d --name x --replicas-max-per-node 2 --mode global busybox
