# about: a worker leaves with its tasks, which run elsewhere at once; removed with force it goes as well
# hosts: 3
swarm_of 3 1
make_service web --replicas 3
until_ok 30 'three tasks run' running web 3
on 2 docker swarm leave
until_ok 30 'three tasks run on the others' '[ "$(docker service ps web --filter desired-state=running --format "{{.Node}} {{.CurrentState}}" | grep -v host2 | grep -c Running)" = 3 ]'
on 2 engine docker ps -aq
docker node ls
docker node ps host2 --format '{{.Image}} {{.DesiredState}}'
docker node rm host2
docker service ls
docker node rm --force host3
until_ok 30 'three tasks run here' containers web 3
docker service ls
docker service ps web --filter desired-state=running --format '{{.Name}} {{.Node}}'
docker node ls
