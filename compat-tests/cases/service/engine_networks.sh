# about: services on the engine's own networks host and bridge: in the spec, in the task, in the container; and what is not shown
# hosts: 1
swarm_init
for net in host bridge; do
  docker service create -d --no-resolve-image --name "on-$net" --network "$net" --stop-signal KILL busybox sleep 100000
  until_ok 30 'the task runs' running "on-$net" 1
  docker service inspect "on-$net" --format '{{json .Spec.TaskTemplate.Networks}} {{json .Endpoint}}'
  docker inspect --type task "$(try docker service ps -q "on-$net")" \
    --format '{{range .NetworksAttachments}}{{json .Network.Spec}} {{json .Network.DriverState}} {{json .Network.IPAMOptions}} {{len .}}{{end}}'
  id=$(try engine docker ps -q --filter "name=on-$net\\.")
  engine docker inspect "$id" --format '{{.HostConfig.NetworkMode}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
  api GET "/networks/$net?scope=swarm"
  docker network inspect "$net" --format '{{.Name}} {{.Scope}} {{.Driver}}'
done
run sh -c '[ "$(docker exec $(docker ps -q --filter name=on-host) readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ] && echo the network of the host'
docker service create -d --no-resolve-image --name published --network host --publish mode=host,published=8081,target=80 --stop-signal KILL busybox sleep 100000
until_ok 30 'the task runs' running published 1
docker service create -d --replicas 0 --name none --network none busybox
docker service create -d --replicas 0 --name gw --network docker_gwbridge busybox
docker service update -d --network-rm host on-host
docker service inspect on-host --format '{{json .Spec.TaskTemplate.Networks}}'
sorted docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network ls --filter scope=swarm --format '{{.Name}}'
docker network rm host
id=$(try api GET '/networks/bridge?scope=swarm' | pick Id)
docker network rm "$id"
docker network inspect "$id" --format '{{.Name}} {{.Scope}} {{.Driver}} {{json .Labels}}'
docker network create -d overlay HOST
docker network prune -f
docker info --format '{{.Swarm.Nodes}}'
