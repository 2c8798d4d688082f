# about: what serves swarm mode is dead for longer than a host may be silent: what was not replaced goes on in both directions
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host1
make_service pinned --network net --endpoint-mode dnsrr --constraint node.hostname==host2
until_ok 30 'web runs' running web 1
until_ok 30 'pinned runs' running pinned 1
quiet on 2 docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
if [ "$TARGET" = gam ]; then
  box=$(try on 2 docker inspect box --format '{{.NetworkSettings.Networks.net.IPAddress}}') here=$(ip_of 1 web net) task=$(container 1 web)
  until_ok 10 'box is reached' pings 1 web "$box"
  try on 1 engine docker exec -d "$task" sh -c "ping -i 0.2 -c 75 $box >/tmp/pings"
  try on 2 engine docker exec -d box sh -c "ping -i 0.2 -c 75 $here >/tmp/pings"
  "$LAB" gam-kill 2 >&2
  until_ok 30 'the host is down' state host2 down
  until_ok 1 'box is reached' pings 1 web "$box"
  until_ok 30 'the pings end' try engine docker exec "$task" grep -q 'packets transmitted' /tmp/pings
  until_ok 5 'there, too' try on 2 engine docker exec box grep -q 'packets transmitted' /tmp/pings
  until_ok 1 'none was lost' try engine docker exec "$task" grep -q '75 packets transmitted, 75 packets received' /tmp/pings
  until_ok 1 'nor there' try on 2 engine docker exec box grep -q '75 packets transmitted, 75 packets received' /tmp/pings
  "$LAB" gam-start 2 >&2
  until_ok 10 'the host is ready' state host2 ready
  until_ok 1 'box is reached' pings 1 web "$box"
  until_ok 1 'box is found' try engine docker exec "$task" nslookup -type=a box
  until_ok 1 'web is found' try on 2 docker exec box nslookup -type=a web
fi
until_ok 30 'pinned runs' running pinned 1
until_ok 10 'and is reached' pings 1 web "$(ip_of 2 pinned net)"
until_ok 10 'both ways' pings 2 pinned "$(ip_of 1 web net)"
on 2 docker rm -f box
