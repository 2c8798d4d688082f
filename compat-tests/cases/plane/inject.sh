# about: frames of a network that come from no member's host are not let in; those of other networks on the same port are nobody's business
# hosts: 3
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
there=$(ip_of 2 web net) here=$(ip_of 1 web net)
until_ok 10 'they reach each other' pings 1 web "$there"
docker node ls --format '{{.Hostname}}'
if [ "$TARGET" = gam ]; then
  device=$(try run ip -o link | sed -n 's/^[0-9]*: \(gvx-[^:@]*\).*/\1/p')
  vni=$(try run cat "/sys/class/net/$device/ifindex" >/dev/null; try run ip -d -o link show "$device" | sed -n 's/.*vxlan id \([0-9]*\).*/\1/p')
  target=$(try engine docker exec "$(container 1 web)" cat /sys/class/net/eth0/address)
  # Host 3 is in no swarm, knows all numbers, and speaks as somebody on the network.
  quiet on 3 run sh -c "ip link add evil type vxlan id $vni dstport 4789 remote $H1 nolearning && ip addr add 10.78.0.250/24 dev evil && ip link set evil up && ip neigh replace $here lladdr $target dev evil"
  heard() { try engine docker exec "$(container 1 web)" cat /proc/net/snmp | awk '/^Icmp:/ && $2 ~ /[0-9]/ {print $10}'; }
  before=$(heard)
  dropped() { try run nft list table inet gam-guard | grep -q "$H2"; }
  until_ok 5 'host 1 is guarded' dropped
  try on 3 run busybox ping -q -c 3 -i 0.2 -W 1 "$here" >/dev/null
  until_ok 1 'no echo request came in' '[ "$(heard)" = "$before" ]'
  # The same with the guard taken away: so it was the guard.
  until_ok 10 'without the guard they do' 'try run nft delete table inet gam-guard; try on 3 run busybox ping -q -c 1 -W 1 "$here"; [ "$(heard)" != "$before" ]'
  until_ok 5 'the guard is back' dropped
  # Another one's VXLAN on the same port.
  quiet run sh -c "ip link add other type vxlan id 77 dstport 4789 remote $H3 nolearning && ip addr add 10.79.0.1/24 dev other && ip link set other up"
  quiet on 3 run sh -c "ip link del evil; ip link add other type vxlan id 77 dstport 4789 remote $H1 nolearning && ip addr add 10.79.0.3/24 dev other && ip link set other up"
  until_ok 5 'it works' run busybox ping -q -c 1 -W 1 10.79.0.3
  quiet run ip link del other
  quiet on 3 run ip link del other
fi
until_ok 5 'the tasks reach each other' pings 2 web "$here"
