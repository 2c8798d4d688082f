# about: a command that the image does not have: the task fails to start and says so
# hosts: 1
swarm_init
docker service create -d --no-resolve-image --name web --restart-condition none busybox no-such-command
until_ok 30 'the task failed' '[ -n "$(docker service ps --format "{{.Error}}" web)" ]'
docker service ps web
docker service ps web --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
engine docker ps -a --format '{{.Names}} {{.Status}}'
docker service create -d --no-resolve-image --name user --restart-condition none --user nobody-here busybox true
until_ok 30 'the task failed' '[ -n "$(docker service ps --format "{{.Error}}" user)" ]'
docker service ps user --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service create -d --no-resolve-image --name dir --restart-condition none --workdir relative busybox true
until_ok 30 'the task failed' '[ -n "$(docker service ps --format "{{.Error}}" dir)" ]'
docker service ps dir --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls --format '{{.Name}} {{.Replicas}}'
