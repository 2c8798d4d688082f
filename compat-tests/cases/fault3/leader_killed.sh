# about: the leader is killed: another one leads, and no task is started again
# hosts: 4
swarm_of 4 3
make_service web --replicas 3 --constraint node.role==worker
until_ok 30 'three tasks run' running web 3
before=$(try docker service ps -q web | sort)
daemon kill 1
until_ok 60 'a write succeeds' on 2 docker service update -d --label-add a=b web
until_ok 60 'one more leads' '[ "$(on 2 docker node ls --format "{{.ManagerStatus}}" | grep -c Leader)" = 1 ]'
on 3 docker service create -d -q --name during --constraint node.role==worker --stop-signal KILL busybox sleep 100000
until_ok 60 'it runs' on 2 running during 1
daemon start 1
until_ok 60 'three managers' reachable 3
until_ok 60 'four nodes are ready' ready 4
until_ok 30 'three tasks run' running web 3
if [ "$before" = "$(try docker service ps -q web | sort)" ]; then run echo the same tasks; else run echo other tasks; fi
on 4 engine sorted docker ps --format '{{.Image}}'
docker service ls
docker service inspect web --format '{{json .Spec.Labels}}'
