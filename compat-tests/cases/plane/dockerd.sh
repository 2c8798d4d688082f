# about: the dockerd of one host is killed and comes back: its tasks run again and are reached and found
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host1
make_service pinned --network net --endpoint-mode dnsrr --constraint node.hostname==host2
until_ok 30 'web runs' running web 1
until_ok 30 'pinned runs' running pinned 1
until_ok 10 'it is reached' pings 1 web "$(ip_of 2 pinned net)"
lab stop 2
lab start 2
until_ok 60 'host 2 is ready' state host2 ready
until_ok 60 'it runs there' on 2 containers pinned 1
until_ok 30 'pinned runs' running pinned 1
until_ok 10 'it is reached' pings 1 web "$(ip_of 2 pinned net)"
until_ok 10 'and back' pings 2 pinned "$(ip_of 1 web net)"
until_ok 10 'and found' try on 1 engine docker exec "$(container 1 web)" ping -c 1 -W 1 pinned
docker service rm web pinned
until_ok 30 'the network is free' docker network rm net
