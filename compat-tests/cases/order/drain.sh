# about: what was under way when a task is told to stop is finished first
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker service create -d -q --stop-signal KILL --name web --network net --endpoint-mode dnsrr --replicas 1 busybox \
  nc -ll -p 80 -e sh -c 'sleep 1; echo answered' >/dev/null
until_ok 30 'it runs' running web 1
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
ask() { quiet engine docker exec -d own sh -c "rm -f /told; (echo begun; tail -f /dev/null | nc web 80) >/told"; until_ok 20 'it has begun' told begun; }
told() { try engine docker exec own cat /told | grep -q "$1"; }
until_ok 20 'it is found' engine docker exec own nslookup -type=a web
ask
until_ok 20 'it is connected' engine docker exec own sh -c 'netstat -tn | grep ESTABLISHED'
quiet docker service scale -d web=0 >/dev/null
until_ok 20 'it is answered' told answered
until_ok 20 'the container is gone' containers web 0
run echo gone
quiet docker service scale -d web=1 >/dev/null
until_ok 30 'it runs' running web 1
until_ok 20 'it is found' engine docker exec own nslookup -type=a web
ask
until_ok 20 'it is connected' engine docker exec own sh -c 'netstat -tn | grep ESTABLISHED'
docker service rm web
until_ok 20 'it is answered' told answered
until_ok 20 'the container is gone' containers web 0
quiet engine docker rm -f own >/dev/null
