# about: what somebody else breaks of the bridge beneath a network is mended within 5 s: the link, its address, its ports, the network itself
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
make_service other --network net --endpoint-mode dnsrr --constraint node.hostname==host1
until_ok 30 'two tasks run' running web 2
until_ok 30 'the other one runs' running other 1
there=$(ip_of 2 web net) here=$(ip_of 1 web net) other=$(ip_of 1 other net) task=$(container 1 web)
until_ok 10 'there' pings 1 web "$there"
well() { pings 1 web "$there" && pings 1 web "$other" && pings 2 web "$here" && try engine docker exec "$task" nslookup -type=a tasks.web 10.78.0.1 >/dev/null; }
bridge=$(try run sh -c "ip -o link | sed -n 's/^[0-9]*: \\(gam-[^:@]*\\).*/\\1/p'")
harm() { # harm WHAT SHELL: on host 1, with $br being the bridge; the reference has its bridges out of reach
  [ "$TARGET" = gam ] || return 0
  until_ok 10 "it is well before $1" well
  quiet run sh -c "br=\$(ip -o link | sed -n 's/^[0-9]*: \(gam-[^:@]*\).*/\1/p'); $2" >/dev/null
  until_ok 5 "$1 is undone" well
}
harm 'a removed bridge' 'ip link del $br'
harm 'a bridge that is down' 'ip link set $br down'
harm 'a bridge without its address' 'ip addr flush dev $br'
harm 'a container off its bridge' 'for v in $(ls /sys/class/net/$br/brif | grep veth); do ip link set $v nomaster; done'
harm 'a link that is down' 'for v in $(ls /sys/class/net/$br/brif | grep veth); do ip link set $v down; done'
if [ "$TARGET" = gam ]; then # while Gam is there it puts containers back sooner than a network could be removed
  "$LAB" gam-kill 1 >&2
  quiet run sh -c "d='docker -H unix://$LAB_DIR/h1/docker.sock'; for c in \$(\$d ps -q); do \$d network disconnect -f net \$c; done; \$d network rm net" >/dev/null
  "$LAB" gam-start 1 >&2
  until_ok 10 'a network that dockerd was told to remove is back' well
fi
until_ok 1 'the same tasks run' '[ "$(container 1 web)" = "$task" ]'
docker service rm web other
until_ok 30 'the network is free' docker network rm net
if [ "$TARGET" = gam ]; then # as if Gam had been mending it while its network was removed
  gone() { try run sh -c "! ip link show $bridge" >/dev/null 2>&1; }
  until_ok 10 'the bridge goes with its network' gone
  quiet run ip link add "$bridge" type bridge >/dev/null
  quiet docker swarm leave --force >/dev/null
  until_ok 5 'the bridge goes when the node leaves' gone
fi
