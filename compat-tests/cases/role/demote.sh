# about: a manager that is not the leader is demoted, once; then it is a worker like any other
# hosts: 3
swarm_of 3 3
wire docker node demote host3
until_ok 30 'host 3 is a worker' '[ "$(on 3 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
docker node demote host3
docker node demote nope host3
until_ok 30 'it is ready' ready 3
docker node ls
on 3 docker node ls
on 3 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'
docker node inspect host3 --format '{{.Spec.Role}} {{.ManagerStatus}}'
docker node demote
