# about: filters of GET /tasks
# hosts: 1
swarm_init
make_service web --replicas 2 --label a=b --constraint node.labels.x==y
make_service db --container-label c=d --constraint node.labels.x==y
until_ok 10 'the scheduler has looked at all' '[ "$(docker service ps --format "{{.Error}}" web db | grep -c suitable)" = 3 ]'
service=$(try docker service inspect web --format '{{.ID}}')
task=$(try docker service ps -q --no-trunc db)
api GET '/tasks?filters={"service":["db"]}'
api GET "/tasks?filters={\"service\":[\"$service\"],\"name\":[\"web.1\"]}"
api GET "/tasks?filters={\"id\":[\"$task\"]}"
api GET "/tasks?filters={\"id\":[\"$(prefix "$task" 5)\"]}"
api GET '/tasks?filters={"name":["db"]}'
api GET '/tasks?filters={"name":["b.1"]}'
api GET '/tasks?filters={"label":["a"]}'
api GET '/tasks?filters={"label":["c=d"]}'
api GET '/tasks?filters={"node":["self"]}'
api GET '/tasks?filters={"node":["host1"]}'
api GET '/tasks?filters={"desired-state":["running"],"service":["db"],"runtime":["container"]}'
api GET '/tasks?filters={"desired-state":["running","shutdown"],"name":["db.1"]}'
api GET '/tasks?filters={"desired-state":["ready"]}'
api GET '/tasks?filters={"service":["web","db"],"name":["db.1"]}'
api GET '/tasks?filters={"up-to-date":["maybe"]}'
api GET '/tasks?filters={"service":{"db":true},"name":{"db.1":true}}'
