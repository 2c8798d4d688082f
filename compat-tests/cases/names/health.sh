# about: a task is found once it is healthy, and not before
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 2 --health-cmd 'test -e /well' --health-interval 500ms --health-retries 100
until_ok 30 'two containers run' containers web 2
tasks() { try engine docker ps -q --filter label=com.docker.swarm.service.name=web; }
ip() { try engine docker inspect "$1" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
found() { try docker exec own nslookup -type=a "$1" 2>/dev/null | awk '/^Address/ && !/:53$/ {print $NF}' | sort | paste -sd' '; }
run echo "before: $(found web)"
well=$(tasks | head -1)
quiet engine docker exec "$well" touch /well
until_ok 20 'the healthy one is found' '[ "$(found web)" = "$(ip "$well")" ]'
run echo "after: $(found tasks.web | wc -w)"
docker service rm web
until_ok 20 'the containers are gone' containers web 0
