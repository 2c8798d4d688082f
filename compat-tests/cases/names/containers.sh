# about: containers and tasks find each other by their names, aliases and short ids, and by address
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr
until_ok 30 'a task runs' running web 1
quiet docker run -d --name own --network-alias mine --stop-signal KILL --network net busybox sleep 100000 >/dev/null
quiet docker run -d --name other --stop-signal KILL --network net busybox sleep 100000 >/dev/null
task=$(try engine docker ps --filter label=com.docker.swarm.service.name=web --format '{{.Names}}')
from() { try docker exec "$1" nslookup -type=a "$2" | awk '/^Address/ && !/:53$/ {print $NF}' | sort | paste -sd' '; }
ip() { try engine docker inspect "$1" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
owner() { try docker exec "$1" nslookup -type=ptr "$2" | sed -n 's/.*name = //p' | sort | paste -sd' '; }
for asker in other "$task"; do
  for name in own mine own.net "$(try docker ps -q --filter name=own)"; do
    if [ "$(from "$asker" "$name")" = "$(ip own)" ]; then quiet docker exec "$asker" ping -c 1 -w 5 "$name" >/dev/null; else run echo "$name is $(from "$asker" "$name")"; fi
  done
done
until_ok 10 'the task is found by its name' '[ "$(from own "$task")" = "$(ip "$task")" ]'
reversed() { ip "$1" | awk -F. '{print $4"."$3"."$2"."$1".in-addr.arpa"}'; }
[ "$(owner other "$(reversed own)")" = own.net ] && run echo 'the address of own is own.net'
[ "$(owner other "$(reversed "$task")")" = "$task.net" ] && run echo 'the address of the task is its own'
docker rm -f own
until_ok 10 'the name is gone' '! docker exec other nslookup -type=a own'
docker service rm web
until_ok 20 'the containers are gone' containers web 0
