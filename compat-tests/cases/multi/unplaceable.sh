# about: why no host is suitable, when every host has another reason
# hosts: 3
swarm_of 3 1
docker node update --availability drain host1
make_service reserve --reserve-memory 100T
make_service mixed --reserve-cpu 1000 --constraint node.hostname!=host3
make_service platform --constraint node.platform.os==windows
make_service plugin --mount type=volume,source=x,target=/x,volume-driver=nope
for service in reserve mixed platform plugin; do
  until_ok 20 'it says why' '[ "$(docker service ps '$service' --no-trunc --format "{{.Error}}" | grep -c suitable)" = 1 ]'
  docker service ps $service --no-trunc --format '{{.Name}} [{{.Node}}] {{.Error}}'
done
docker service ls
