# about: an address that is not in the subnet of an attachable network
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
docker run --rm --network net --ip 10.78.0.5 busybox true
docker ps -a --format '{{.Names}}'
