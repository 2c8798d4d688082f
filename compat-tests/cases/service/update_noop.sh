# about: an update that changes nothing of the task, and post back what was read, replace no task
# hosts: 1
swarm_init
make_service web --replicas 2 --env A=1 --mount type=tmpfs,target=/t --limit-memory 64M --constraint node.role==manager --update-monitor 100ms
until_ok 30 'two tasks run' running web 2
before=$(try docker service ps -q --no-trunc web | sort)
docker service update -d web
docker service update -d --label-add x=y web
docker service update -d --update-delay 1s web
body=$(try api GET /services/web)
api POST "/services/web/update?version=$(pick Version.Index <<<"$body")" "$(pick Spec <<<"$body")" >/dev/null
docker service update -d --replicas 3 web
until_ok 30 'a third task runs' running web 3
after=$(try docker service ps -q --no-trunc web | sort)
run echo "$(comm -12 <(echo "$before") <(echo "$after") | wc -l) tasks are still there, of $(wc -l <<<"$after")"
docker service inspect web --format '{{json .Spec.Labels}} {{json .UpdateStatus}} {{.Spec.TaskTemplate.ForceUpdate}}'
docker service update -d --force --update-delay 0s --update-parallelism 0 web
until_ok 30 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
docker service ps web --format '{{.Name}} {{.DesiredState}}'
