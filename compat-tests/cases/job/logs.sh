# about: logs of a job that has ended, and what waits for one
# hosts: 1
swarm_init
last() { run sh -c "docker $* 2>&1 | tail -n 1"; }
last service create --name job --mode replicated-job --replicas 2 --max-concurrent 1 busybox echo done
docker service logs --raw job
docker service create -q --name quiet --mode global-job busybox echo once
docker service logs --raw quiet
docker service ls
