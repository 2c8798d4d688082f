# about: a host without its cable: down, replaced; back: adopted, and its old tasks stop
# hosts: 3
swarm_of 3 1
make_service web --replicas 3
until_ok 30 'three tasks run' running web 3
lab cut 2
until_ok 60 'host 2 is down' state host2 down
until_ok 30 'three tasks run elsewhere' '[ "$(docker service ps web --filter desired-state=running --format "{{.Node}} {{.CurrentState}}" | grep -v host2 | grep -c Running)" = 3 ]'
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
on 2 engine docker ps --format '{{.Image}}'
docker service ls
docker node ls
lab heal 2
until_ok 60 'host 2 is ready' state host2 ready
until_ok 30 'its old task is stopped' on 2 containers web 0
docker service ls
docker node ps host2 --format '{{.DesiredState}}'
