# about: the leader demotes itself: another one leads, and it is a worker
# hosts: 3
swarm_of 3 3
docker node demote host1
until_ok 60 'host 1 is a worker' '[ "$(docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
until_ok 60 'another one leads' '[ "$(on 2 docker node ls --format "{{.ManagerStatus}}" | grep -c Leader)" = 1 ]'
until_ok 60 'all are ready' on 2 ready 3
docker node ls
on 2 docker node ls --format '{{.Hostname}} {{.Status}}'
on 2 docker node ls --filter role=manager --format '{{.Hostname}}'
on 3 docker service create -d -q --name web --replicas 0 busybox
on 2 docker service ls --format '{{.Name}}'
