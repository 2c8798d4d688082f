# about: plain VXLAN frames with the number of an encrypted network are not taken from the wire, over IPv4 or IPv6; nor are any sent
# hosts: 3
swarm_of 3 1
for name in plain secret; do
  opt=''; [ $name = secret ] && opt='--opt encrypted'
  quiet docker network create -d overlay --attachable $opt $name >/dev/null
  for k in 2 3; do quiet on $k docker run -d --name $name$k --stop-signal KILL --network $name busybox sleep 100000 >/dev/null; done
done
ip() { try on "$1" engine docker inspect "$2" --format "{{(index .NetworkSettings.Networks \"${2%?}\").IPAddress}}"; }
mac() { try on 2 engine docker inspect "$1" --format "{{(index .NetworkSettings.Networks \"${1%?}\").MacAddress}}"; }
echoes() { try on 2 engine docker exec "$1" awk '/^Icmp:/ && n++ {print $10}' /proc/net/snmp; } # echo requests that came
inject() { # inject NAME LOCAL REMOTE: pings to the container NAME2 on host 2, as from its network, by a plain device of host 1
  local to vni; to=$(ip 2 "${1}2")
  vni=$(try docker network inspect "$1" --format '{{index .Options "com.docker.network.driver.overlay.vxlanid_list"}}')
  evil() {
    try run sh -c "ip link del evil 2>/dev/null; ip link add evil type vxlan id $vni dstport 4789 local $2 remote $3 dev eth0 &&
      ip addr add ${to%.*}.250/32 dev evil && ip link set evil up && ip route replace $to/32 dev evil &&
      ip neigh replace $to lladdr $(mac "${1}2") dev evil" >/dev/null
  }
  until_ok 10 'there is such a device' evil "$@"
  quiet run sh -c "busybox ping -q -c 3 -i 0.2 -W 1 $to; true" >/dev/null
}
local6() { try on "$1" run sh -c "ip -6 -o addr show dev eth0 scope link | awk '{print \$4}' | cut -d/ -f1"; }
if [ "$TARGET" = gam ]; then # the reference needs IPsec in the kernel
  until_ok 10 'the network works' try on 3 engine docker exec secret3 ping -q -c 1 -W 1 "$(ip 2 secret2)"
  # A plain network takes such frames, but for the rule against strangers, which comes back by itself.
  before=$(echoes plain2)
  unguarded() { quiet on 2 run nft delete table inet gam-guard; inject plain "$H1" "$H2"; [ "$(echoes plain2)" -gt "$before" ]; }
  until_ok 20 'a plain network takes them without its guard' unguarded
  before=$(echoes secret2)
  inject secret "$H1" "$H2"
  inject secret "$(local6 1)" "$(local6 2)"
  until_ok 1 'not to an encrypted one' '[ "$(echoes secret2)" = "$before" ]'
  quiet run ip link del evil
  until_ok 10 'the network works' try on 3 engine docker exec secret3 ping -q -c 1 -W 1 "$(ip 2 secret2)"
  # Without the tunnel's device there is none of the network's.
  sent() { try on 3 run sh -c 'ls /sys/class/net' | grep -c '^gvx-'; }
  until_ok 5 'two devices' '[ "$(sent)" = 2 ]'
  until_ok 5 'one is gone with the tunnel' 'try on 3 run ip link del gam-crypt; [ "$(sent)" = 1 ]'
fi
for k in 2 3; do quiet on $k docker rm -f plain$k secret$k >/dev/null; done
for name in plain secret; do until_ok 30 'the network is free' docker network rm $name; done
docker network ls --filter driver=overlay --format '{{.Name}}'
