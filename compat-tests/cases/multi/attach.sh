# about: containers of a worker on an attachable network: each address is given once in the cluster, and again when its container is gone
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker network create -d overlay closed >/dev/null
attach() { quiet on "$1" docker run -d --stop-signal KILL --network net --name "$2" busybox sleep 100000 >/dev/null; }
ip() { try on "$1" docker inspect "$2" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
for k in 1 2 3; do for n in a b; do attach $k $n$k; done; done
run echo "different addresses: $(for k in 1 2 3; do for n in a b; do ip $k $n$k; done; done | sort -u | grep -c ^10.77.0.)"
on 2 sorted docker network ls --filter driver=overlay --format '{{.Name}} {{.Scope}}'
on 2 docker network inspect net --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Attachable}}'
on 2 docker inspect a2 --format '{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{$n.NetworkID}}{{end}} {{.HostConfig.NetworkMode}}'
docker network inspect net --format '{{.Id}}'
on 2 docker run --rm --network closed busybox true
on 2 docker run --rm --network nope busybox true
quiet on 2 docker run -d --name own --stop-signal KILL busybox sleep 100000 >/dev/null
on 2 docker network connect closed own
on 2 docker network connect net own
on 2 docker network connect net own
on 2 docker inspect own --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
quiet on 2 docker exec a2 ping -c 1 -w 5 "$(ip 2 own)" >/dev/null
on 2 docker network disconnect net own
# A stopped one comes back, and a network with containers stays.
on 2 docker stop b2
on 2 docker start b2
docker network rm net
# An address that the user chose is free again for another host once its container is gone.
on 3 docker run -d --name fixed --stop-signal KILL --network net --ip 10.77.0.99 busybox sleep 100000
on 3 docker inspect fixed --format '{{.NetworkSettings.Networks.net.IPAddress}}'
free() { try docker run --rm --network net --ip "$1" busybox true; }
if [ "$TARGET" = gam ]; then until_ok 1 'the address is taken for all hosts' '! free 10.77.0.99'; fi
on 3 docker rm -f fixed
until_ok 20 'the address is free' free 10.77.0.99
if [ "$TARGET" = gam ]; then
  # The container goes while nobody looks; and one that is still there keeps its address.
  try on 3 docker run -d --name late --stop-signal KILL --network net --ip 10.77.0.98 busybox sleep 100000
  try daemon kill 3
  try on 3 engine docker rm -f late
  try daemon start 3
  until_ok 20 'the address of what is gone is free' free 10.77.0.98
  until_ok 1 'that of what is there is not' "! free $(ip 3 a3)"
fi
for k in 1 2 3; do quiet on $k docker rm -f a$k b$k >/dev/null; done
until_ok 20 'nothing uses the network' docker network rm net
until_ok 20 'no worker has it' '! on 2 docker network inspect net && ! on 3 docker network inspect net'
on 2 sorted docker network ls --filter driver=overlay --format '{{.Name}} {{.Scope}}'
