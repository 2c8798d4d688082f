# about: names are of their networks: who is on two sees both, who is on one sees that one
# hosts: 1
swarm_init
for net in one two; do quiet docker network create -d overlay --attachable $net >/dev/null; done
make_service web --network one --endpoint-mode dnsrr
make_service db --network two --endpoint-mode dnsrr
until_ok 30 'web runs' running web 1
until_ok 30 'db runs' running db 1
quiet docker run -d --name first --stop-signal KILL --network one busybox sleep 100000 >/dev/null
quiet docker run -d --name second --stop-signal KILL --network two busybox sleep 100000 >/dev/null
quiet docker run -d --name both --stop-signal KILL --network one --network two busybox sleep 100000 >/dev/null
has() { try docker exec "$1" nslookup -type=a "$2" >/dev/null 2>&1; }
until_ok 20 'both are found' 'has both web && has both db'
for asker in first second both; do
  for name in web db web.one web.two tasks.db first second; do
    if has $asker $name; then run echo "$asker finds $name"; else run echo "$asker does not find $name"; fi
  done
done
docker service rm web db
until_ok 20 'the containers are gone' 'containers web 0 && containers db 0'
