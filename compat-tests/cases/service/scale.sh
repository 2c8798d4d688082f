# about: scale up, down, several, to nothing; and scales that are refused
# hosts: 1
swarm_init
make_service web
make_service db
until_ok 30 'web runs' running web 1
wire docker service scale -d web=2
docker service scale -d web=3 db=0
until_ok 30 'web runs three times' running web 3
until_ok 30 'no container of db is left' containers db 0
docker service ls
docker service ps web --format '{{.Name}} {{.DesiredState}}'
docker service scale -d web=1
until_ok 30 'one container is left' containers web 1
until_ok 10 'one task is left' '[ "$(docker service ps -q web | wc -l)" = 1 ]'
docker service ps web --format '{{.Name}} {{.DesiredState}}'
docker service scale -d web=0
until_ok 30 'none is left' containers web 0
docker service ls
docker service scale web
docker service scale web=
docker service scale web=x
docker service scale web=-1
docker service scale -d nope=2
docker service scale -d nope=2 db=0
docker service scale
docker service scale -d web=1.5
docker service ls --format '{{.Name}} {{.Replicas}}'
