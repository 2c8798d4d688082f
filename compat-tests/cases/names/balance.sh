# about: connections to a virtual address reach every task, and never one that is not there
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker service create -d -q --stop-signal KILL --name web --network net --replicas 3 busybox \
  nc -ll -p 80 -e hostname >/dev/null
quiet docker service create -d -q --stop-signal KILL --name idle --network net --replicas 1 --health-cmd false busybox sleep 100000 >/dev/null
until_ok 30 'three tasks run' running web 3
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
task=$(try engine docker ps -q --filter label=com.docker.swarm.service.name=web | head -1)
ask() { for _ in 1 2 3 4 5 6; do try engine docker exec "$1" nc -w 5 web 80 || echo failed; done | sort -u | wc -l; }
vip() { try docker service inspect "$1" --format '{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}' | cut -d/ -f1; }
docker service ls --format '{{.Name}} {{.Mode}}'
# The reference balances with IPVS, which this kernel may not have.
if [ "$TARGET" = gam ]; then
  until_ok 20 'every task answers' '[ "$(ask own)" = 3 ]'
  until_ok 20 'a task reaches its own service, itself included' '[ "$(ask "$task")" = 3 ]'
  until_ok 1 'a ping to the virtual address is answered' docker exec own ping -c 1 -w 5 web
  until_ok 5 'nobody behind it refuses at once' docker exec own sh -c "nc -w 5 $(vip idle) 80 2>&1 | grep refused"
  quiet docker service scale -d web=1 >/dev/null
  until_ok 20 'one task answers' '[ "$(ask own)" = 1 ]'
fi 2>/dev/null
daemon kill
daemon start
until_ok 30 'it serves' docker node ls
until_ok 30 'a task runs' '[ "$(try engine docker ps -q --filter label=com.docker.swarm.service.name=web | wc -l)" -ge 1 ]'
if [ "$TARGET" = gam ]; then
  until_ok 20 'it is the same one after a restart' '[ "$(ask own)" = 1 ]'
  quiet docker service scale -d web=2 >/dev/null
  until_ok 20 'two tasks answer' '[ "$(ask own)" = 2 ]'
fi 2>/dev/null
docker service rm web idle
until_ok 20 'the containers are gone' 'containers web 0 && containers idle 0'
