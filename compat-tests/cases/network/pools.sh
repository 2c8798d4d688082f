# about: the address pools of the swarm are used up, and a network that goes makes room for another
# hosts: 1
swarm_init --default-addr-pool 10.90.0.0/24 --default-addr-pool-mask-length 25
docker network create -d overlay one
docker network inspect one --format '{{json .IPAM.Config}}'
docker network create -d overlay two
docker network ls --filter scope=swarm --filter driver=overlay --format '{{.Name}}'
docker network rm one
docker network create -d overlay three
docker network inspect three --format '{{json .IPAM.Config}}'
