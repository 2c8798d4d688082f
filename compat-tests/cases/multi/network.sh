# about: a swarm network is on a worker only while it has a task or container on it
# hosts: 2
swarm_of 2 1
docker network create -d overlay net
until_ok 20 'the routing mesh is on the worker' on 2 docker network inspect ingress
on 2 sorted docker network ls --filter driver=overlay --format '{{.Name}} {{.Scope}}'
on 2 docker network inspect net
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host2
until_ok 30 'the task runs' running web 1
on 2 sorted docker network ls --filter driver=overlay --format '{{.Name}} {{.Scope}}'
on 2 docker network inspect net --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect net --format '{{.Name}} {{.Driver}} {{.Scope}}'
on 2 docker network rm net
docker network rm net
docker service rm web
until_ok 30 'the worker has it no more' '! on 2 docker network inspect net'
docker network rm net
