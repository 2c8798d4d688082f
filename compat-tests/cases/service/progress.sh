# about: commands that wait, told to be quiet, or with only the lines they end with
# hosts: 1
swarm_init
last() { run sh -c "docker $* 2>&1 | grep -v '^overall\|^[0-9]*/[0-9]*:\|^verify: Wait\|manually requested\|^rollback:'"; }
docker service create -q --name web --stop-signal KILL --update-monitor 100ms busybox sleep 100000
docker service update -q --env-add A=1 web
last service scale web=2
last service rollback web
until_ok 10 'the second task is gone' '[ "$(try docker service ls --format "{{.Replicas}}")" = 1/1 ]'
docker service ls
