# about: of two managers the other one demotes the leader; then it is the last
# hosts: 2
swarm_of 2 2
on 2 docker node demote host1
until_ok 60 'host 1 is a worker' '[ "$(docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
until_ok 60 'host 2 leads' '[ "$(on 2 docker node inspect self --format "{{.ManagerStatus.Leader}}")" = true ]'
until_ok 60 'both are ready' on 2 ready 2
on 2 docker node ls
docker node ls
on 2 docker node demote host2
docker swarm leave
until_ok 20 'host 1 is down' on 2 state host1 down
on 2 docker node rm host1
on 2 docker node ls
