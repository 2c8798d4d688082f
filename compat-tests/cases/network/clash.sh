# about: a local and a swarm network of the same name: which one is meant
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
quiet docker network create same >/dev/null
docker network create -d overlay same
quiet docker network create -d overlay other >/dev/null
docker network create other
docker network create -d bridge other
docker network inspect same --format '{{.Driver}} {{.Scope}}'
docker network ls --filter name=same --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker service create -d --name web --network same --replicas 0 busybox
docker network rm same
docker network rm same
docker network ls --format '{{.Name}} {{.Scope}}'
