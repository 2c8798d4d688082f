# about: a command that fails, not restarted: the state, the error, the counts
# hosts: 1
swarm_init
docker service create -d --name job --restart-condition none busybox sh -c 'exit 3'
until_ok 30 'the task failed' '[ "$(docker service ps --format "{{.CurrentState}}" job | cut -d" " -f1)" = Failed ]'
docker service ps job
docker service ps job --no-trunc --format '{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls
until_ok 10 'the container has ended' '[ -n "$(engine docker ps -aq --filter status=exited)" ]'
engine docker ps -a --format '{{.Names}} {{.Image}} {{.Status}}'
api GET '/tasks?filters={"service":["job"]}'
docker node ps --format '{{.Name}} {{.CurrentState}} {{.Error}}'
docker node ps --filter desired-state=shutdown --format '{{.Name}} {{.CurrentState}} {{.Error}}'
