# about: a service that names a network twice
# hosts: 1
swarm_init
docker network create -d overlay --subnet 10.11.0.0/24 net
make_service web --replicas 1 --network net --network net
until_ok 30 'it runs' running web 1
docker service inspect web --format '{{json .Spec.TaskTemplate.Networks}} {{len .Endpoint.VirtualIPs}}'
docker inspect "$(try docker ps -q)" --format '{{len .NetworkSettings.Networks}}'
docker service create -d --name bad --network name=net,alias=a --network name=net,alias=b --replicas 0 busybox
docker service inspect bad --format '{{json .Spec.TaskTemplate.Networks}} {{len .Endpoint.VirtualIPs}}'
