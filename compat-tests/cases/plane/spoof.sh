# about: a container that takes the address of another one reaches nobody with it, and takes nothing from the other one
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
quiet docker run -d --name bad --cap-add NET_ADMIN --stop-signal KILL --network net busybox sleep 100000 >/dev/null
quiet docker run -d --name good --stop-signal KILL --network net busybox sleep 100000 >/dev/null
here=$(ip_of 1 web net) there=$(ip_of 2 web net) good=$(try docker inspect good --format '{{.NetworkSettings.Networks.net.IPAddress}}')
from() { try docker exec "$1" ping -q -c 1 -W 1 ${3:+-I "$3"} "$2" >/dev/null; }
until_ok 10 'bad reaches others as itself' from bad "$there"
until_ok 10 'good reaches others' from good "$there"
docker service ls --format '{{.Name}}'
if [ "$TARGET" = gam ]; then
  quiet docker exec bad ip addr add 10.78.0.200/32 dev eth0
  until_ok 5 'an address that nobody has' '! from bad "$here" 10.78.0.200'
  quiet docker exec bad ip addr add "$good/32" dev eth0
  until_ok 5 'the address of a neighbour' '! from bad "$here" "$good"'
  until_ok 1 'across hosts' '! from bad "$there" "$good"'
  # It claims the neighbour's address as loudly as it can.
  try docker exec bad arping -q -U -c 3 -I eth0 "$good"
  try docker exec bad arping -q -A -c 3 -I eth0 "$good"
  until_ok 1 'the neighbour is still reached' pings 1 web "$good"
  mac=$(try docker exec good cat /sys/class/net/eth0/address)
  quiet docker exec bad ip link set eth0 address "$mac"
  until_ok 5 'with its hardware address' '! from bad "$there"'
  until_ok 1 'nothing is taken from it' from good "$there"
  until_ok 1 'nor from there' pings 2 web "$good"
fi
docker rm -f bad good
docker service rm web
until_ok 30 'the network is free' docker network rm net
