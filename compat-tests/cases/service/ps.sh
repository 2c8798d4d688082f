# about: service ps: filters, formats, several services, unknown ones
# hosts: 1
swarm_init
make_service web --replicas 2
make_service db
until_ok 30 'web runs' running web 2
until_ok 30 'db runs' running db 1
docker service ps web
docker service ps web db
docker service ps -q --no-trunc web
docker service ps --filter name=web.2 web --format '{{.Name}}'
docker service ps --filter node=host1 web --format '{{.Name}}'
docker service ps --filter node=self web --format '{{.Name}}'
docker service ps --filter node=nobody web --format '{{.Name}}'
docker service ps --filter desired-state=running db --format '{{.Name}} {{.DesiredState}} {{.CurrentState}}'
docker service ps --filter desired-state=shutdown db
docker service ps --filter desired-state=accepted db
docker service ps --filter desired-state=odd db
docker service ps --filter bogus=x db
id=$(try docker service ps -q --no-trunc db)
docker service ps --filter "id=$(prefix "$id" 6)" db --format '{{.Name}}'
docker service ps --no-resolve db --no-trunc --format '{{.Name}} {{.Node}}'
docker service ps db --format json
docker service ps nope
docker service ps nope db --format '{{.Name}}'
docker service ps nope nada
docker service ps
