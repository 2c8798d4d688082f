# about: a drained node runs nothing, and runs it again when it is active
# hosts: 1
swarm_init
make_service web --replicas 2
until_ok 30 'two tasks run' running web 2
docker node update --availability drain host1
until_ok 30 'no container is left' containers web 0
until_ok 10 'the scheduler has said why' '[ "$(docker service ps --filter desired-state=running --format "{{.Error}}" web | grep -c suitable)" = 2 ]'
docker service ls
docker service ps web --no-trunc --format '{{.Name}} [{{.Node}}] {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker node update --availability pause host1
make_service late
docker node update --availability active host1
until_ok 30 'both run' running web 2
until_ok 30 'and that of the pause too' running late 1
docker service ls
