# about: an isolation that only Windows has rejects the task
# hosts: 1
swarm_init
told() { try docker service ps --format '{{.CurrentState}}' "$1" | grep -q '^Rejected'; }
for isolation in hyperv process; do
  docker service create -d --no-resolve-image --name "$isolation" --restart-condition none --isolation "$isolation" busybox sleep 100000
  until_ok 30 'the task is rejected' told "$isolation"
  docker service ps "$isolation" --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
done
