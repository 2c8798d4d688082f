# about: network inspect by name, id and prefix, of ingress and the gateway bridge, with scope, and unknown
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
quiet docker network create -d overlay net >/dev/null
id=$(try docker network inspect net --format '{{.ID}}')
docker network inspect "$id" --format '{{.Name}}'
docker network inspect "$(prefix "$id" 9)" --format '{{.Name}}'
docker network inspect net nope --format '{{.Name}}'
docker network inspect
docker network inspect nope
docker network inspect ingress --format '{{.Driver}} {{.Scope}} {{.Ingress}} {{.Attachable}} {{.Internal}} {{json .IPAM}}'
docker network inspect docker_gwbridge --format '{{.Driver}} {{.Scope}} {{json .Options}}'
docker network inspect bridge --format '{{.Driver}} {{.Scope}}'
docker network inspect --verbose net --format '{{.Name}} {{json .Services}}'
docker network inspect --format '{{.Nope}}' net
api GET /networks/net?scope=swarm
api GET /networks/net?scope=local
api GET /networks/net?scope=odd
api GET /networks/net?verbose=maybe
api GET /networks/nope
