# about: with every host drained or paused the tasks wait, and say for what
# hosts: 3
swarm_of 3 1
docker node update --availability drain host1
docker node update --availability pause host2
docker node update --availability drain host3
make_service web --replicas 2
make_service each --mode global
until_ok 20 'the tasks say why' '[ "$(docker service ps web --no-trunc --format "{{.Error}}" | grep -c suitable)" = 2 ]'
docker service ps web --no-trunc --format '{{.Name}} [{{.Node}}] {{.DesiredState}} {{.Error}}'
docker service ps each --no-trunc --format '{{.Name}} [{{.Node}}] {{.DesiredState}} {{.Error}}'
docker service ls
docker node update --availability active host3
until_ok 30 'two tasks run' running web 2
until_ok 30 'one on host 3' running each 1
docker service ps web --no-trunc --format '{{.Name}} [{{.Node}}] {{.DesiredState}} {{.Error}}'
docker service ls
