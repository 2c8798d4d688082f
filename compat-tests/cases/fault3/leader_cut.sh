# about: the leader is cut off: the others go on without it, and it learns what it missed
# hosts: 3
swarm_of 3 3
make_service web --replicas 0
lab cut 1
until_ok 60 'another one leads' '[ "$(on 2 docker node ls --format "{{.ManagerStatus}}" | grep -c Leader)" = 1 ]'
until_ok 60 'a write succeeds' on 2 docker service update -d --label-add a=b web
on 3 docker service create -d -q --name during --replicas 0 busybox
until_ok 60 'the one that is alone knows it' leaderless
docker service ls
docker service create -d busybox
lab heal 1
until_ok 60 'three managers' reachable 3
until_ok 60 'three nodes are ready' ready 3
docker service ls
docker service inspect web --format '{{json .Spec.Labels}}'
on 3 docker service ls --format '{{.Name}}'
