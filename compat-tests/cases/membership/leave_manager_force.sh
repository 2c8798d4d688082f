# about: one of three managers leaves with force: the others go on, demote it and remove it
# hosts: 3
swarm_of 3 3
on 3 docker swarm leave --force
on 3 docker info --format '{{.Swarm.LocalNodeState}}'
docker service create -d -q --name web --replicas 0 busybox
until_ok 40 'host 3 is down' state host3 down
until_ok 40 'and unreachable' '[ "$(docker node inspect host3 --format "{{.ManagerStatus.Reachability}}")" = unreachable ]'
docker node ls
docker node rm host3
docker node rm --force host3
docker node demote host3
until_ok 20 'it is no manager any more' '! docker node inspect host3 | grep -q ManagerStatus'
docker node ls
docker node rm host3
docker node ls
on 2 docker service ls
