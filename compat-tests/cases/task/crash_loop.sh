# about: a container that fails again and again is restarted for ever, the first times after the policy's delay
# hosts: 1
swarm_init --task-history-limit 30
docker service create -d --name fails --restart-delay 200ms busybox false
docker service create -d --name ends --restart-delay 200ms busybox true
# Lines of the oldest tasks: which come after them is a matter of time.
oldest() { run sh -c "docker service ps $1 --no-trunc --format '{{.DesiredState}} {{.CurrentState}} {{.Error}}' | tail -n $2 | head -n $3"; }
ended() { [ "$(docker service ps "$1" --format '{{.CurrentState}}' | grep -cE '^(Failed|Complete)')" -ge "$2" ]; }
until_ok 40 'five failed' ended fails 5
until_ok 40 'five ended' ended ends 5
oldest fails 4 4
oldest ends 4 4
until_ok 60 'seven failed' ended fails 7
until_ok 60 'seven ended' ended ends 7
oldest fails 7 3
oldest ends 7 3
# With a limit no delay grows, and nothing is told of it.
docker service create -d --name tries --restart-delay 200ms --restart-max-attempts 6 busybox false
until_ok 40 'it was tried seven times' ended tries 7
docker service ps tries --no-trunc --format '{{.DesiredState}} {{.CurrentState}} {{.Error}}'
# Another spec begins anew.
docker service update -d --force --restart-max-attempts 1 fails
until_ok 40 'it was tried twice more' '[ "$(docker service ps fails --format "{{.DesiredState}}" | grep -vc Shutdown)" = 0 ]'
oldest fails 1000 2
