# about: more tasks than the subnet has addresses: the rest waits, says so, and runs when there is room
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/29 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 3
until_ok 30 'three tasks run' running web 3
quiet docker service scale -d web=8 >/dev/null
if [ "$TARGET" = gam ]; then
  until_ok 5 'the others say why' 'docker service ps web --no-trunc --format "{{.Error}}" | grep "could not find an available IP"'
fi
until_ok 5 'not all run' '! running web 8'
quiet docker service scale -d web=2 >/dev/null
until_ok 30 'two tasks run' running web 2
make_service late --network net --endpoint-mode dnsrr
until_ok 60 'a freed address is used again' running late 1
docker service rm web late
until_ok 30 'the network is free' docker network rm net
