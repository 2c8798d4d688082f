# about: followed logs show what is said later, also by new tasks, and end with the last task of one that is not restarted
# hosts: 1
swarm_init
quiet docker service create -d --name web --stop-signal KILL --mount type=volume,source=v,target=/v busybox sh -c 'echo first; until [ -e /v/go ]; do sleep 0.1; done; echo second; exec sleep 100000' >/dev/null
until_ok 30 'the task runs' running web 1
engine docker run --rm -v v:/v busybox touch /v/go
run timeout 20 sh -c 'docker service logs -f --raw web | head -2'
docker service scale -d web=2
run timeout 20 sh -c 'docker service logs -f --raw web | head -4 | sort'
