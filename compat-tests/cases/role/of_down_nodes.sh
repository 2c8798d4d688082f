# about: a node that left is promoted on paper, and goes only after it is demoted again
# hosts: 2
swarm_of 2 1
on 2 docker swarm leave
until_ok 20 'host 2 is down' state host2 down
docker node promote host2
docker node inspect host2 --format '{{.Spec.Role}} {{.ManagerStatus}}'
docker node ls
docker node rm host2
docker node rm --force host2
docker node demote host1
docker node demote host2
docker node rm host2
docker node ls
