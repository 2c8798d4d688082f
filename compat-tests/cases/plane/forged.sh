# about: a container that answers for an address of the network that is not its own, as neighbours are found over IPv6, is not heard
# hosts: 1
quiet docker swarm init --advertise-addr "$H1" >/dev/null
docker network create -d overlay --attachable --ipv6 --subnet 10.78.0.0/24 --subnet fd00:3::/64 net
# The reference makes a network that never gets its subnets.
if [ "$TARGET" = gam ]; then
  quiet docker run -d --name bad --stop-signal KILL --network net busybox sleep 100000 >/dev/null
  quiet docker run -d --name asks --stop-signal KILL --network net busybox sleep 100000 >/dev/null
  pid() { try engine docker inspect "$1" --format '{{.State.Pid}}'; }
  inside() { try run nsenter -t "$(pid "$1")" -n "${@:2}"; }
  mac=$(try docker exec bad cat /sys/class/net/eth0/address)
  own=$(try docker inspect bad --format '{{.NetworkSettings.Networks.net.GlobalIPv6Address}}')
  until_ok 10 'they reach each other' try docker exec asks ping -6 -q -c 1 -W 1 "$own"
  # Such answers come from the container's own address, and are about another one.
  quiet run nsenter -t "$(pid bad)" -n sh -c 'cd /proc/sys/net/ipv6; echo 1 >conf/all/forwarding; echo 1 >conf/eth0/proxy_ndp; echo 0 >neigh/eth0/proxy_delay; ip -6 neigh add proxy fd00:3::200 dev eth0' >/dev/null
  believed() {
    inside asks ip -6 neigh flush dev eth0
    try docker exec asks ping -6 -q -c 1 -W 1 fd00:3::200
    inside asks ip -6 neigh show dev eth0 | grep fd00:3::200 | grep -qi "$mac"
  } >/dev/null
  for n in 1 2 3; do until_ok 5 "try $n: nobody believes it" '! believed'; done
  # The same with the guard taken away: so it was the guard.
  until_ok 10 'without the guard it is believed' 'try run nft delete table bridge gam-guard; believed'
  until_ok 5 'the guard is back' 'try run nft list table bridge gam-guard >/dev/null'
  until_ok 5 'nobody believes it any more' '! believed'
  until_ok 5 'it is still reached under its own' try docker exec asks ping -6 -q -c 1 -W 1 "$own"
  quiet docker rm -f bad asks >/dev/null
fi
until_ok 30 'the network is free' docker network rm net
