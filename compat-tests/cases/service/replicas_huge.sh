# about: more replicas than one wants, on a node that may run none of them
# hosts: 1
swarm_init
make_service web --replicas 300 --constraint node.labels.x==y
until_ok 20 'all tasks wait' '[ "$(docker service ps -q web | wc -l)" = 300 ]'
docker service ls
docker service scale -d web=3
until_ok 20 'all but three are gone' '[ "$(docker service ps -q web | wc -l)" = 3 ]'
docker service ps web --format '{{.Name}} {{.DesiredState}}'
docker service ls
docker service rm web
until_ok 20 'no task is left' '[ "$(api GET /tasks)" = "[]" ]'
