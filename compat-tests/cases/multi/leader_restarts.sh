# about: one manager of three stops and comes back: writes in between, all of it known to all
# hosts: 3
swarm_of 3 3
make_service web --replicas 0
daemon stop 1
until_ok 60 'another one leads' '[ "$(on 2 docker node ls --format "{{.ManagerStatus}}" | grep -c Leader)" = 1 ]'
on 2 docker service create -d -q --name during --replicas 0 busybox
on 3 docker service update -d --label-add a=b web
on 3 docker service ls
daemon start 1
until_ok 60 'three managers' reachable 3
until_ok 60 'three nodes are ready' ready 3
docker service ls
docker service inspect web --format '{{json .Spec.Labels}}'
docker service create -d -q --name after --replicas 0 busybox
on 3 docker service ls --format '{{.Name}}'
docker node ls --format '{{.Hostname}} {{.Status}}'
