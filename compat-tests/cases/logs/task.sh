# about: logs of one task, by id, by prefix, after its end
# hosts: 1
swarm_init
quiet docker service create -d --name job --restart-condition none busybox sh -c 'echo one; echo two >&2' >/dev/null
until_ok 30 'the task is complete' '[ "$(docker service ps --format "{{.CurrentState}}" job | cut -d" " -f1)" = Complete ]'
id=$(try docker service ps -q --no-trunc job)
docker service logs "$id"
docker service logs "$(prefix "$id" 8)"
docker service logs --raw "$id"
sorted docker service logs job
api GET "/tasks/$id/logs"
api GET "/tasks/$id/logs?stdout=0&stderr=0"
api GET "/services/job/logs"
api GET "/services/job/logs?stdout=maybe"
api GET "/services/job/logs?stdout=1&since=x"
api GET "/services/job/logs?stdout=1&tail=x"
api GET "/services/job/logs?stdout=1&until=1"
