# about: managers leave only with force, and the sentence depends on how many there are
# hosts: 3
swarm_of 3 3
docker swarm leave
on 2 docker swarm leave
on 3 api POST /swarm/leave
docker node demote host3
until_ok 20 'host 3 is a worker' '[ "$(on 3 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
docker swarm leave
on 2 docker swarm leave
on 3 docker swarm leave
docker node demote host2
until_ok 20 'host 2 is a worker' '[ "$(on 2 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
docker swarm leave
on 2 docker swarm leave
until_ok 20 'both are down' '[ "$(docker node ls --format "{{.Status}}" | grep -c Down)" = 2 ]'
docker node ls
docker node rm host2 host3
docker swarm leave --force
docker info --format '{{.Swarm.LocalNodeState}}'
