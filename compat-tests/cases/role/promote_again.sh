# about: a manager that was demoted is promoted again
# hosts: 2
swarm_of 2 2
docker node demote host2
until_ok 30 'host 2 is a worker' '[ "$(on 2 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
until_ok 30 'it is ready' ready 2
docker node promote host2
until_ok 120 'two managers again' reachable 2
until_ok 20 'host 2 serves' on 2 docker node ls
on 2 docker node ls
