# about: which nodes can be removed: not those that are ready, nor managers; with force any worker
# hosts: 3
swarm_of 3 2
docker node rm host3
docker node rm host2
docker node rm --force host2
docker node rm host1
docker node rm nope host3
id=$(try docker node inspect host3 --format '{{.ID}}')
api DELETE "/nodes/$id"
api DELETE "/nodes/$id?force=x"
on 2 docker node rm --force host3
docker node ls
docker node inspect host3
api DELETE "/nodes/$id?force=1"
until_ok 30 'host 3 knows' '[ "$(on 3 docker info --format "{{.Swarm.LocalNodeState}}")" != active ]'
on 3 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeID}} {{.Swarm.Error}}'
on 3 docker node ls
on 3 docker swarm leave
