# about: a manager is removed only as a worker that is down
# hosts: 2
swarm_of 2 2
docker node rm host2
docker node rm --force host2
docker node demote host2
until_ok 30 'host 2 is a worker' '[ "$(on 2 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
until_ok 30 'it is ready' ready 2
docker node rm host2
on 2 docker swarm leave
until_ok 20 'host 2 is down' state host2 down
docker node rm host2
docker node inspect host2
docker node ls
