# about: a flood of questions, and bytes that are none, keep nobody else from an answer
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr
until_ok 30 'the task runs' running web 1
quiet docker run -d --name bad --stop-signal KILL --network net busybox sleep 100000 >/dev/null
quiet docker run -d --name good --stop-signal KILL --network net busybox sleep 100000 >/dev/null
until_ok 10 'web is found' try docker exec good nslookup -type=a web
if [ "$TARGET" = gam ]; then server=10.78.0.1; else server=127.0.0.11; fi
quiet docker exec bad sh -c "for n in 1 2 3 4 5 6 7 8 9 10; do head -c 600 /dev/urandom | nc -u -w 1 $server 53 >/dev/null; done & for n in 1 2 3 4 5 6; do head -c 70000 /dev/urandom | nc -w 1 $server 53 >/dev/null; done; wait; true"
until_ok 2 'web is found after bytes that are no questions' try docker exec good nslookup -type=a web
quiet docker exec -d bad sh -c 'for n in $(seq 40); do (while :; do nslookup -type=a no$n.example; nslookup -type=a web; done >/dev/null 2>&1) & done; sleep 8; kill -9 0' >/dev/null
for n in 1 2 3 4 5; do until_ok 5 'web is found during a flood' docker exec good ping -c 1 -W 1 web; done
docker service ls --format '{{.Name}} {{.Replicas}}'
docker rm -f bad good
docker service rm web
until_ok 30 'the network is free' docker network rm net
