# about: several nodes promoted and demoted at once, with unknown ones between
# hosts: 3
swarm_of 3 1
docker node promote host2 nope host3
docker node promote host2 host3
until_ok 30 'three managers' reachable 3
until_ok 20 'host 3 serves' on 3 docker node ls
docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'
on 3 docker node ls --format '{{.Hostname}} {{.Self}} {{.ManagerStatus}}'
docker node demote nope host2
docker node demote host3 host2
until_ok 30 'host 2 is a worker' '[ "$(on 2 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
until_ok 30 'host 3 is a worker' '[ "$(on 3 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'
docker node rm host2
