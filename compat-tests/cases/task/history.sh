# about: of the tasks that ended, only so many are kept in each slot
# hosts: 1
swarm_init --task-history-limit 2
make_service web --update-monitor 1ms
until_ok 30 'the task runs' running web 1
for n in 1 2 3; do
  quiet docker service update -d --env-add N=$n web >/dev/null
  until_ok 30 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}} {{.Spec.TaskTemplate.ContainerSpec.Env}}")" = "completed [N='$n']" ]'
done
until_ok 20 'the history is as short as it shall be' '[ "$(docker service ps -q web | wc -l)" = 2 ]'
docker service ps web
until_ok 20 'the containers of the others are gone' '[ "$(engine docker ps -aq | wc -l)" = 2 ]'
