# about: containers on an attachable network: addresses within it, they reach each other, connect and disconnect
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
docker run -d --name a --stop-signal KILL --network net busybox sleep 100000
docker run -d --name b --stop-signal KILL --network net --ip 10.77.0.77 busybox sleep 100000
docker run -d --name c --stop-signal KILL busybox sleep 100000
docker network connect net c
ip() { try docker inspect "$1" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
docker inspect b --format '{{.NetworkSettings.Networks.net.IPAddress}}/{{.NetworkSettings.Networks.net.IPPrefixLen}}'
for name in a c; do run sh -c "case $(ip $name | sed 's/[0-9]*$/x/') in 10.77.0.x) echo $name is in the subnet;; esac"; done
quiet docker exec a ping -c 1 -w 5 "$(ip b)" >/dev/null
quiet docker exec b ping -c 1 -w 5 "$(ip a)" >/dev/null
quiet docker exec c ping -c 1 -w 5 "$(ip b)" >/dev/null
docker inspect c --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
docker inspect a --format '{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{$n.NetworkID}}{{end}} {{.HostConfig.NetworkMode}}'
docker network rm net
docker network disconnect net c
docker inspect c --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
docker rm -f a b
until_ok 20 'nothing uses the network' docker network rm net
docker network ls --filter scope=swarm --format '{{.Name}}'
