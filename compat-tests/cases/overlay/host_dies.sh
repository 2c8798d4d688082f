# about: a host dies: its task runs elsewhere under another address and is reached; nothing points to the dead host any more
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay net >/dev/null
quiet docker node update --availability drain host3 >/dev/null
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host1
make_service mover --network net --endpoint-mode dnsrr --constraint node.hostname!=host1
for name in web mover; do until_ok 30 "$name runs" running $name 1; done
quiet docker node update --availability active host3 >/dev/null
old=$(ip_of 2 mover net)
until_ok 10 'it is reached' pings 1 web "$old"
lab off 2
until_ok 60 'it runs elsewhere' on 3 containers mover 1
until_ok 30 'it runs' running mover 1
new=$(ip_of 3 mover net)
if [ "$old" != "$new" ]; then run echo another address; fi
until_ok 10 'it is reached there' pings 1 web "$new"
until_ok 10 'and back' pings 3 mover "$(ip_of 1 web net)"
until_ok 10 'the old address is dead' '! pings 1 web "$old"'
if [ "$TARGET" = gam ]; then
  none() { ! try run bridge fdb show | grep -qw "$H2"; }
  until_ok 5 'no entry leads to the dead host' none
fi
lab on 2
until_ok 60 'host 2 is ready' state host2 ready
docker service rm web mover
until_ok 30 'the network is free' docker network rm net
