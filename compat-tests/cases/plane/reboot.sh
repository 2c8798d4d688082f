# about: a host loses its power and comes back: its tasks run again, are reached and found, and nothing points to the old ones
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host1
make_service pinned --network net --endpoint-mode dnsrr --constraint node.hostname==host2
until_ok 30 'web runs' running web 1
until_ok 30 'pinned runs' running pinned 1
until_ok 10 'it is reached' pings 1 web "$(ip_of 2 pinned net)"
lab restart 2
until_ok 60 'host 2 is ready' state host2 ready
until_ok 60 'it runs there' on 2 containers pinned 1
until_ok 30 'pinned runs' running pinned 1
until_ok 10 'it is reached' pings 1 web "$(ip_of 2 pinned net)"
until_ok 10 'and back' pings 2 pinned "$(ip_of 1 web net)"
found() { try on "$1" engine docker exec "$(container "$1" "$2")" nslookup -type=a "$3" | awk '/^Address/ && !/:53$/ {print $NF}'; }
until_ok 10 'it is found where it is' '[ "$(found 1 web pinned)" = "$(ip_of 2 pinned net)" ]'
until_ok 10 'and finds' '[ "$(found 2 pinned web)" = "$(ip_of 1 web net)" ]'
if [ "$TARGET" = gam ]; then
  until_ok 5 'one entry leads there' '[ "$(try run bridge fdb show | grep -cw "dst $H2")" = 1 ]'
fi
docker service rm web pinned
until_ok 30 'the network is free' docker network rm net
