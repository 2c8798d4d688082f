# about: prune takes unused networks of both scopes, and those of a label only
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
quiet docker network create -d overlay --label keep=no free >/dev/null
quiet docker network create -d overlay --label keep=yes kept >/dev/null
quiet docker network create -d overlay used >/dev/null
quiet docker network create plain >/dev/null
make_service web --network used --endpoint-mode dnsrr --replicas 0
docker network prune -f --filter label=keep=maybe
docker network prune -f --filter label=keep=no
docker network ls --filter scope=swarm --format '{{.Name}}'
docker network prune -f --filter label!=keep=yes
docker network ls --format '{{.Name}}'
docker network prune -f --filter bogus=x
docker network prune -f --filter until=nonsense
run sh -c 'echo n | docker network prune'
api POST /networks/prune
docker network ls --format '{{.Name}}'
