# about: commands that wait, told to be quiet, or with only the lines they end with
# hosts: 1
swarm_init
last() { run sh -c "docker $* 2>&1 | grep -v '^overall\|^[0-9]*/[0-9]*:\|^verify: Wait'"; }
docker service create -q --name web --stop-signal KILL busybox sleep 100000
last service create --name db --stop-signal KILL --replicas 2 busybox sleep 100000
docker service update -q --env-add A=1 --update-monitor 100ms web
last service update --env-add A=2 web
last service scale web=2
last service update --detach=false --replicas 1 web
last service rollback web
docker service ls
