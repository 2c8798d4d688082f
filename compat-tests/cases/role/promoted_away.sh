# about: a manager that is demoted and promoted again while it is down comes back as a manager
# hosts: 3
swarm_of 3 3
daemon kill 3
until_ok 60 'host 3 is down' state host3 down
docker node demote host3
until_ok 30 'it is no manager' '[ "$(try docker node ls --format "{{.Hostname}} {{.ManagerStatus}}" | grep -c "host[12] [LR]")" = 2 ] && [ "$(try docker node inspect host3 --format "{{json .ManagerStatus}}")" = null ]'
docker node promote host3
daemon start 3
until_ok 100 'three managers' reachable 3
until_ok 60 'three nodes are ready' ready 3
until_ok 60 'it serves' on 3 docker node ls
on 3 docker node ls
# Without it the other two have lost one too many.
daemon kill 2
until_ok 60 'there is a leader' docker node inspect host1
quiet docker service create -d -q --name web --replicas 0 busybox >/dev/null
on 3 docker service ls
daemon start 2
