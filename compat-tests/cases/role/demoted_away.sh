# about: a manager that is demoted while it is down comes back as a worker, and can be promoted again
# hosts: 3
swarm_of 3 3
make_service web --replicas 3
until_ok 30 'three tasks run' running web 3
daemon kill 3
until_ok 60 'host 3 is down' state host3 down
docker node demote host3
daemon start 3
until_ok 60 'host 3 is ready' state host3 ready
until_ok 60 'host 3 is a worker' '[ "$(on 3 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
on 3 docker node ls
docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
docker node promote host3
until_ok 60 'three managers' reachable 3
until_ok 60 'it serves' on 3 docker node ls
docker service scale -d web=6
until_ok 60 'six tasks run' running web 6
docker service ls
