# about: rollback goes back to the spec before, and twice is forth again
# hosts: 1
swarm_init
make_service web --env A=1 --update-monitor 100ms --rollback-monitor 100ms
until_ok 30 'the task runs' running web 1
quiet docker service update -d --env-add A=2 --replicas 2 --label-add x=y web >/dev/null
until_ok 30 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
docker service inspect web --format '{{json .Spec}} {{json .PreviousSpec}}'
wire docker service rollback -d web
until_ok 30 'it has rolled back' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = rollback_completed ]'
docker service inspect web --format '{{json .Spec}} {{json .PreviousSpec}} {{.UpdateStatus.State}} {{.UpdateStatus.Message}}'
until_ok 30 'one task runs' running web 1
docker service rollback -d web
docker service update -d --env-add A=3 web
until_ok 30 'that is done' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
docker service update -d --rollback web
until_ok 30 'it has rolled back' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = rollback_completed ]'
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Env}}'
