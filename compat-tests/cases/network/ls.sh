# about: network ls of both scopes with its filters, quiet and in forms
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
quiet docker network create -d overlay --label a=b one >/dev/null
quiet docker network create -d overlay --label a=c two >/dev/null
quiet docker network create --label a=b local >/dev/null
docker network ls
docker network ls --filter driver=overlay --format '{{.Name}}'
docker network ls --filter driver=bridge --format '{{.Name}}'
docker network ls --filter scope=swarm --format '{{.Name}} {{.Scope}}'
docker network ls --filter scope=local --format '{{.Name}}'
docker network ls --filter scope=global --format '{{.Name}}'
docker network ls --filter name=o --format '{{.Name}}'
docker network ls --filter name=one --filter name=two --format '{{.Name}}'
docker network ls --filter label=a --format '{{.Name}}'
docker network ls --filter label=a=b --format '{{.Name}}'
docker network ls --filter type=custom --format '{{.Name}}'
docker network ls --filter type=builtin --format '{{.Name}}'
docker network ls --filter dangling=true --format '{{.Name}}'
docker network ls --filter dangling=false --format '{{.Name}}'
id=$(try docker network inspect one --format '{{.ID}}')
docker network ls --filter "id=$id" --no-trunc
docker network ls --filter "id=$(prefix "$id" 7)" -q
docker network ls --filter name=one --format '{{.Internal}} {{.IPv6}} {{.Labels}} {{.CreatedAt}}'
docker network ls --filter type=odd
docker network ls --filter bogus=x
docker network ls --filter dangling=perhaps
api GET '/networks?filters={"name":["one"]}'
api GET '/networks?filters={"scope":["swarm"],"type":["custom"]}'
