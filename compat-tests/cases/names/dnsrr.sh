# about: a service without a virtual address is its tasks, in changing order
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 3
until_ok 30 'three tasks run' running web 3
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
asked() { try docker exec own nslookup -type=a "$1" | awk '/^Address/ && !/:53$/ {print $NF}'; }
found() { asked "$1" | sort | paste -sd' '; }
tasks=$(for id in $(try engine docker ps -q --filter label=com.docker.swarm.service.name=web); do try engine docker inspect "$id" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; done | sort | paste -sd' ')
until_ok 20 'the tasks have a name' '[ "$(found web)" = "$tasks" ]'
for name in web tasks.web; do [ "$(found $name)" = "$tasks" ] && run echo "$name are the tasks"; done
first=$(asked web | head -1)
until_ok 20 'another one comes first' '[ "$(asked web | head -1)" != "$first" ]'
quiet docker exec own ping -c 1 -w 5 web >/dev/null
for id in $(try engine docker ps -q --filter label=com.docker.swarm.service.name=web); do quiet docker exec "$id" ping -c 1 -w 5 own >/dev/null; done
docker service rm web
until_ok 20 'the name is gone' '! docker exec own nslookup -type=a web'
until_ok 20 'the containers are gone' containers web 0
