# about: containers on an attachable network: addresses within it, they reach each other, connect and disconnect
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
docker run -d --name alpha --stop-signal KILL --network net busybox sleep 100000
docker run -d --name beta --stop-signal KILL --network net --ip 10.77.0.77 busybox sleep 100000
docker run -d --name gamma --stop-signal KILL busybox sleep 100000
docker network connect net gamma
ip() { try docker inspect "$1" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
docker inspect beta --format '{{.NetworkSettings.Networks.net.IPAddress}}/{{.NetworkSettings.Networks.net.IPPrefixLen}}'
for name in alpha gamma; do run sh -c "case $(ip $name | sed 's/[0-9]*$/x/') in 10.77.0.x) echo $name is in the subnet;; esac"; done
quiet docker exec alpha ping -c 1 -w 5 "$(ip beta)" >/dev/null
quiet docker exec beta ping -c 1 -w 5 "$(ip alpha)" >/dev/null
quiet docker exec gamma ping -c 1 -w 5 "$(ip beta)" >/dev/null
docker inspect gamma --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
docker inspect alpha --format '{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{$n.NetworkID}}{{end}} {{.HostConfig.NetworkMode}}'
docker network rm net
docker network disconnect net gamma
docker inspect gamma --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
docker rm -f alpha beta
until_ok 20 'nothing uses the network' docker network rm net
until_ok 10 'it is gone' '! docker network inspect net'
docker network ls --filter scope=swarm --format '{{.Name}}'
