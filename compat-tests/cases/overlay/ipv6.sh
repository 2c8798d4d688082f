# about: a network of both families: tasks, containers and services have an address of each, and are reached and found by both
# hosts: 3
swarm_of 3 1
docker network create -d overlay --attachable --ipv6 --subnet 10.76.0.0/24 --subnet fd00:2::/64 --gateway fd00:2::9 dual
# The reference makes a network that never gets its subnets.
if [ "$TARGET" = gam ]; then
  make_service web --network name=dual,alias=www --replicas 3 --replicas-max-per-node 1
  make_service rr --network dual --endpoint-mode dnsrr --mode global
  until_ok 30 'six tasks run' 'running web 3 && running rr 3'
  # The CLI names the two in either order.
  subnets() { try docker network inspect dual --format '{{range .IPAM.Config}}{{println .Subnet .Gateway}}{{end}}' | sort | xargs; }
  until_ok 10 'subnets and gateways' '[ "$(subnets)" = "10.76.0.0/24 10.76.0.1 fd00:2::/64 fd00:2::9" ]'
  quiet on 3 docker run -d --name box --stop-signal KILL --network dual --ip6 fd00:2::77 busybox sleep 100000 >/dev/null
  quiet docker run -d --name near --stop-signal KILL --network dual busybox sleep 100000 >/dev/null
  six() { try on "$1" engine docker inspect "$(container "$1" "$2")" --format '{{.NetworkSettings.Networks.dual.GlobalIPv6Address}}'; }
  box() { try on 3 docker exec box "$@"; }
  for k in 1 2 3; do
    until_ok 10 "the container reaches host $k" box ping -6 -q -c 1 -W 1 "$(six $k rr)"
    until_ok 10 "host $k reaches the container" pings $k web fd00:2::77
    until_ok 5 'over IPv4, too' pings $k web "$(ip_of 1 rr dual)"
  done
  until_ok 5 'large packets pass' box ping -6 -q -c 1 -W 1 -s 4000 "$(six 1 rr)"
  until_ok 5 'a far host and a near container' pings 2 rr "$(try docker inspect near --format '{{.NetworkSettings.Networks.dual.GlobalIPv6Address}}')"
  count() { box nslookup -type=aaaa "$1" | grep -c '^Address: fd00:2::'; }
  until_ok 10 'a name has one address for each task' '[ "$(count rr)" = 3 ]'
  until_ok 5 'tasks. has, too' '[ "$(count tasks.web)" = 3 ]'
  until_ok 5 'a service has its virtual one' '[ "$(count web)" = 1 ] && [ "$(count www)" = 1 ]'
  until_ok 5 'the IPv4 one is there, too' "box nslookup -type=a web | grep -q '^Address: 10.76.0.'"
  vip=$(try docker service inspect web --format '{{range .Endpoint.VirtualIPs}}{{println .Addr}}{{end}}' | sed -n 's,^\(fd00:2::.*\)/64$,\1,p')
  until_ok 5 'it is shown' "box nslookup -type=aaaa web | grep -q '^Address: $vip\$'"
  until_ok 5 'it is answered' box ping -6 -q -c 1 -W 1 "$vip"
  until_ok 5 'by its name' box ping -6 -q -c 1 -W 1 web
  until_ok 5 'the address has a name' "box nslookup fd00:2::77 | grep -q 'name = box.dual'"
  task=$(try docker service ps web -q --filter node=host2)
  until_ok 1 'it is shown of the task' "try docker inspect $task --format '{{range .NetworksAttachments}}{{.Addresses}}{{end}}' | grep -q '10.76.0.[0-9]*/24 fd00:2::.*/64'"
  until_ok 1 'and of the container' 'try on 3 docker network inspect dual | grep -q "\"IPv6Address\": \"fd00:2::77/64\""'
  ends() { try docker network inspect --verbose dual --format '{{range .Services}}{{range .Tasks}}{{println .EndpointID}}{{end}}{{end}}' | grep -cE '^[0-9a-f]{64}$'; }
  until_ok 5 'every place has an id' '[ "$(ends)" = 8 ]'
  try daemon kill
  until_ok 5 'without Gam, too' pings 2 web fd00:2::77
  try daemon start
  until_ok 30 'it serves' docker node ls
  quiet docker rm -f near >/dev/null
  quiet on 3 docker rm -f box >/dev/null
  quiet docker service rm web rr >/dev/null
fi
until_ok 30 'the network is free' docker network rm dual
