# about: a process is told to stop by the signal of its service and killed after its grace
# hosts: 1
swarm_init
quiet docker service create -d --name kind --stop-signal USR1 --mount type=volume,source=vol,target=/v busybox sh -c 'trap "echo usr1 >/v/said; exit 0" USR1; touch /v/up; while :; do sleep 0.1; done' >/dev/null
quiet docker service create -d --name deaf --stop-grace-period 1s busybox sh -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null
until_ok 30 'kind runs' running kind 1
until_ok 30 'deaf runs' running deaf 1
until_ok 10 'the trap is set' engine docker run --rm -v vol:/v busybox test -e /v/up
docker service scale -d kind=0 deaf=0
until_ok 20 'kind is gone' containers kind 0
until_ok 20 'deaf is gone' containers deaf 0
engine docker run --rm -v vol:/v busybox cat /v/said
until_ok 20 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
docker service ls
