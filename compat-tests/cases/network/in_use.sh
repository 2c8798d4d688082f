# about: a network that a service needs cannot be removed, even without tasks
# hosts: 1
swarm_init
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 0
docker network rm net
api DELETE /networks/net
docker network prune -f
docker network ls --filter scope=swarm --format '{{.Name}}'
docker service rm web
docker network rm net
docker network ls --filter scope=swarm --format '{{.Name}}'
docker service create -d --name other --network ingress busybox
