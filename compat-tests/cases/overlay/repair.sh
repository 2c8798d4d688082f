# about: what somebody else removes from the kernel comes back within 5 s: the device, its entries, its place on the bridge
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
there=$(ip_of 2 web net)
until_ok 10 'there' pings 1 web "$there"
harm() { # harm WHAT SHELL: on host 1, with $dev being the device; the reference has its devices out of reach
  [ "$TARGET" = gam ] || return 0
  quiet run sh -c "dev=\$(ip -o link | sed -n 's/^[0-9]*: \(gvx-[^:@]*\).*/\1/p'); $2" >/dev/null
  until_ok 5 "$1 is undone" pings 1 web "$there"
}
harm 'a removed device' 'ip link del $dev'
harm 'a device that is down' 'ip link set $dev down'
harm 'a device off its bridge' 'ip link set $dev nomaster'
harm 'a forwarding entry that is gone' 'bridge fdb show dev $dev self | while read mac _ to _; do bridge fdb del $mac dev $dev dst $to self; done'
harm 'another number' 'br=$(cat /sys/class/net/$dev/master/ifindex); ip link del $dev; ip link add $dev type vxlan id 77 dstport 4789; ip link set $dev master $br up 2>/dev/null || ip link set $dev up'
docker service rm web
until_ok 30 'the network is free' docker network rm net
