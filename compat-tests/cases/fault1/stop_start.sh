# about: a clean stop and start of the daemon: services, networks and counts are as before
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable net >/dev/null
make_service web --replicas 2 --network net --endpoint-mode dnsrr --env A=1
make_service agent --mode global
make_service none --constraint node.labels.x==y
until_ok 30 'web runs' running web 2
until_ok 30 'agent runs' running agent 1
before=$(try api GET /services/web | pick Spec)
daemon stop
daemon start
until_ok 40 'the node is ready again' '[ "$(docker node ls --format "{{.Status}} {{.ManagerStatus}}")" = "Ready Leader" ]'
until_ok 60 'web runs again' running web 2
until_ok 60 'agent runs again' running agent 1
until_ok 20 'in so many containers' '[ "$(engine docker ps -q | wc -l)" = 3 ]'
docker service ls
docker network ls --filter scope=swarm --format '{{.Name}} {{.Driver}}'
if [ "$before" = "$(try api GET /services/web | pick Spec)" ]; then run echo the same spec; else run echo another spec; fi
docker service ps none --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service scale -d web=3
until_ok 30 'web runs three times' running web 3
docker service rm web agent none
until_ok 30 'no container is left' '[ -z "$(engine docker ps -q)" ]'
