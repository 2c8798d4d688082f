# about: servers outside that do not answer: names of the swarm are answered at once, others fail
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr
until_ok 30 'the task runs' running web 1
quiet docker run -d --name box --dns "$(addr 77)" --stop-signal KILL --network net busybox sleep 100000 >/dev/null
until_ok 10 'web is found' try docker exec box nslookup -type=a web
until_ok 2 'at once' timeout 1 nsenter -t "$(<"$LAB_DIR/h1/init.pid")" -n -m -u -p env "DOCKER_HOST=unix://$LAB_DIR/h1/api.sock" docker exec box nslookup -type=a tasks.web
quiet docker exec -d box sh -c 'for n in 1 2 3 4 5 6 7 8; do nslookup -type=a no$n.example & done; wait' >/dev/null
until_ok 2 'also while others wait' try docker exec box nslookup -type=a web
if try docker exec box ping -c 1 -W 1 nobody.example >/dev/null 2>&1; then run echo found; else run echo not found; fi
docker rm -f box
docker service rm web
until_ok 30 'the network is free' docker network rm net
