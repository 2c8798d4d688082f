# about: a command that ends well, not restarted: complete
# hosts: 1
swarm_init
docker service create -d --name job --restart-condition on-failure busybox true
until_ok 30 'the task is complete' '[ "$(docker service ps --format "{{.CurrentState}}" job | cut -d" " -f1)" = Complete ]'
docker service ps job
docker service ls
id=$(try docker service ps -q --no-trunc job)
api GET "/tasks/$id"
docker inspect "$id" --format '{{.Status.State}} {{.Status.Message}} {{.DesiredState}} {{.Slot}}'
docker inspect --type task "$(prefix "$id" 7)" --format '{{json .Spec}}'
engine docker ps -a --format '{{.Names}} {{.Status}}'
