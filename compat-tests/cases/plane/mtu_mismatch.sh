# about: the line of one host takes smaller packets than that of the other: connections of any size work between them
# hosts: 2
quiet on 2 run ip link set eth0 mtu 1400
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/24 net >/dev/null
quiet docker service create -d -q --stop-signal KILL --name web --network net --endpoint-mode dnsrr --mode global busybox \
  nc -ll -p 80 -e head -c 300000 /dev/zero >/dev/null
until_ok 30 'two tasks run' running web 2
docker service ls --format '{{.Name}}'
if [ "$TARGET" = gam ]; then # the reference loses whatever is too large
  got() { try on "$1" engine docker exec "$(container "$1" web)" sh -c "nc -w 5 $2 80 </dev/null | wc -c"; }
  until_ok 15 'there' '[ "$(got 1 "$(ip_of 2 web net)")" = 300000 ]'
  until_ok 15 'and back' '[ "$(got 2 "$(ip_of 1 web net)")" = 300000 ]'
fi
quiet on 2 run ip link set eth0 mtu 1500
docker service rm web
until_ok 30 'the network is free' docker network rm net
