# about: overlay networks without a swarm, and what is left of them after leaving one
# hosts: 1
docker network create -d overlay net
docker network create -d overlay --attachable net
docker network create --scope swarm net
api POST /networks/create '{"Name":"net","Driver":"overlay"}'
docker network ls
docker network create plain
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
quiet docker network create -d overlay net >/dev/null
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker swarm leave --force
until_ok 20 'the networks of the swarm are gone' '[ -z "$(docker network ls -q --filter scope=swarm)" ]'
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect net
docker network rm net
