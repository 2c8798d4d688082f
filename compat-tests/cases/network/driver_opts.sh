# about: driver options of a service's attachment to a network reach its endpoint in the engine
# hosts: 1
swarm_init
quiet docker network create -d overlay net >/dev/null
opt() { docker service create -d -q --stop-signal KILL --name "$1" --network "name=net,alias=other,driver-opt=$2" busybox sleep 100000; }
opt named com.docker.network.endpoint.ifname=net0
until_ok 30 'it runs' running named 1
docker service inspect named --format '{{range .Spec.TaskTemplate.Networks}}{{json .Aliases}} {{json .DriverOpts}}{{end}}'
engine docker inspect "$(container 1 named)" --format '{{json (index .NetworkSettings.Networks "net").DriverOpts}}'
engine docker exec "$(container 1 named)" sh -c 'ls /sys/class/net | grep net0'
opt plain some.label=value
until_ok 30 'it runs' running plain 1
engine docker inspect "$(container 1 plain)" --format '{{json (index .NetworkSettings.Networks "net").DriverOpts}}'
