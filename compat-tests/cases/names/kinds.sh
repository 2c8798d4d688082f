# about: other kinds of questions about a name that is known have no answer and are no error; unknown names are one
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr
until_ok 30 'a task runs' running web 1
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
until_ok 20 'it is found' docker exec own nslookup -type=a web
for kind in aaaa mx; do docker exec own nslookup -type=$kind web; done
docker exec own nslookup -type=a nobody
docker exec own nslookup -type=a nobody.net
docker exec own nslookup -type=ptr 200.0.77.10.in-addr.arpa
docker service rm web
until_ok 20 'the containers are gone' containers web 0
