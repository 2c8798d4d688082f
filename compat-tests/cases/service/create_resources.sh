# about: limits and reservations, in the spec, pretty, and when there is not enough
# hosts: 1
swarm_init
docker service create -d --name web --stop-signal KILL --limit-cpu 0.5 --limit-memory 64M --limit-pids 50 --reserve-cpu 0.25 --reserve-memory 16M busybox sleep 100000
docker service create -d --name cpu --reserve-cpu 4000 busybox sleep 100000
docker service create -d --name memory --reserve-memory 4000G busybox sleep 100000
until_ok 30 'the task runs' running web 1
docker service inspect web --format '{{json .Spec.TaskTemplate.Resources}}'
docker service inspect --pretty web
for name in cpu memory; do
  until_ok 10 'the scheduler has said why' '[ -n "$(docker service ps --format "{{.Error}}" '$name')" ]'
  docker service ps $name --no-trunc --format '{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
done
docker service ls --format '{{.Name}} {{.Replicas}}'
docker service update -d --reserve-cpu 0.1 cpu
until_ok 30 'with less, it runs' running cpu 1
