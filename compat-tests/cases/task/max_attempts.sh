# about: a failing command is restarted so many times and then left
# hosts: 1
swarm_init
docker service create -d --name job --restart-condition on-failure --restart-delay 50ms --restart-max-attempts 2 busybox sh -c 'exit 1'
until_ok 40 'three tasks failed' '[ "$(docker service ps --format "{{.DesiredState}} {{.CurrentState}}" job | grep -c "^Shutdown Failed")" = 3 ]'
docker service ps job
docker service ps job --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls
