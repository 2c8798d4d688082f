# about: what serves swarm mode is killed on one host: packets go on; what changes meanwhile is made good when it is back
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
until_ok 10 'there' pings 1 web "$(ip_of 2 web net)"
if [ "$TARGET" = gam ]; then
  there=$(ip_of 2 web net) task=$(container 1 web)
  try on 1 engine docker exec -d "$task" sh -c "ping -i 0.2 -c 15 $there >/tmp/pings"
  "$LAB" gam-kill 2 >&2
  until_ok 20 'the pings end' try engine docker exec "$task" grep -q 'packets transmitted' /tmp/pings
  until_ok 1 'none was lost' try engine docker exec "$task" grep -q '15 packets transmitted, 15 packets received' /tmp/pings
  quiet on 2 run sh -c "ip link del \$(ip -o link | sed -n 's/^[0-9]*: \(gvx-[^:@]*\).*/\1/p')"
  "$LAB" gam-start 2 >&2
fi
until_ok 30 'both nodes are ready' ready 2
until_ok 30 'two tasks run' running web 2
until_ok 10 'there' pings 1 web "$(ip_of 2 web net)"
until_ok 10 'and back' pings 2 web "$(ip_of 1 web net)"
