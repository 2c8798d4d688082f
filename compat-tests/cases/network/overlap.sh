# about: subnets that overlap with those of other overlay networks
# hosts: 1
swarm_init
quiet docker network create -d overlay --subnet 10.77.0.0/24 net >/dev/null
docker network create -d overlay --subnet 10.77.0.0/24 same
docker network create -d overlay --subnet 10.77.0.128/25 part
docker network create -d overlay --subnet 10.77.0.0/16 whole
docker network create -d overlay --subnet 10.0.0.0/24 mesh
docker network ls --filter scope=swarm --format '{{.Name}} {{.Driver}}'
docker network rm same part whole mesh
docker network ls --filter scope=swarm --format '{{.Name}} {{.Driver}}'
