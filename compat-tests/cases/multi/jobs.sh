# about: jobs over two hosts, replicated and global
# hosts: 2
swarm_of 2 1
# Where there are no jobs there is nothing more to see.
docker service create -d -q --name once --mode replicated-job --replicas 4 busybox true || exit 0
docker service create -d -q --name each --mode global-job busybox true
until_ok 30 'four are complete' '[ "$(docker service ps once --format "{{.CurrentState}}" | grep -c ^Complete)" = 4 ]'
until_ok 30 'one on each host' '[ "$(docker service ps each --format "{{.CurrentState}}" | grep -c ^Complete)" = 2 ]'
docker service ls
sorted docker service ps once --format '{{.Node}} {{.DesiredState}}'
sorted docker service ps each --format '{{.Node}} {{.DesiredState}}'
docker node update --availability drain host2
docker service update -d --force once
until_ok 30 'four more are complete' '[ "$(docker service ps once --format "{{.CurrentState}}" | grep -c ^Complete)" = 8 ]'
docker service ls
