# about: the last manager is not demoted, by whatever way, nor when it is one again
# hosts: 2
swarm_of 2 1
docker node demote host1
docker node demote self
docker node update --role worker host1
id=$(try docker node inspect self --format '{{.ID}}')
api POST "/nodes/$id/update?version=$(try api GET "/nodes/$id" | pick Version.Index)" '{"Role":"worker","Availability":"active"}'
docker node demote host2 host1
docker node promote host2
until_ok 30 'host 2 is a manager' reachable 2
docker node demote host2
until_ok 30 'host 2 is a worker' '[ "$(docker node inspect host2 --format "{{.ManagerStatus}}")" = "<nil>" ]'
docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'
