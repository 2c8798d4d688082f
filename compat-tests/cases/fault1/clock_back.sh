# about: the manager's clock is an hour ahead, and set back while a task waits to be restarted and an update pauses: both go on
# hosts: 1
swarm_init
# dockerd's clock cannot be moved; what it does without a step is what Gam does with one.
step() { # step OFFSET: the next start sees the clock as it is, and then it steps
  [ "$TARGET" = gam ] || return 0
  "$LAB" clock 1 "$1" || _stop
}
step +0
daemon stop 1
daemon start 1
until_ok 60 'the manager is back' reachable 1
step +3600
failed() { [ "$(try docker service ps loop --format '{{.CurrentState}}' | grep -c '^Failed')" -ge "$1" ]; }
updated() { [ "$(try docker service inspect web --format '{{.UpdateStatus.State}}')" = completed ]; }
make_service web --replicas 2 --update-delay 4s
until_ok 30 'two tasks run' running web 2
docker service create -d --name loop --restart-delay 3s --restart-max-attempts 3 busybox false
until_ok 30 'it failed' failed 1
docker service update -d --env-add a=b web
step +0
until_ok 60 'it is tried as often as it may be' failed 4
until_ok 60 'the update ends' updated
until_ok 30 'two tasks run' running web 2
docker service ps loop --no-trunc --format '{{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service inspect web --format '{{.UpdateStatus.Message}}'
