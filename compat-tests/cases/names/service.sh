# about: the name and the alias of a service are its virtual address, with tasks. before them its tasks
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker service create -d -q --stop-signal KILL --name web --network name=net,alias=www --replicas 2 busybox sleep 100000 >/dev/null
until_ok 30 'two tasks run' running web 2
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
found() { try docker exec own nslookup -type=a "$1" | awk '/^Address/ && !/:53$/ {print $NF}' | sort | paste -sd' '; }
vip=$(try docker service inspect web --format '{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}' | cut -d/ -f1)
tasks=$(for id in $(try engine docker ps -q --filter label=com.docker.swarm.service.name=web); do try engine docker inspect "$id" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; done | sort | paste -sd' ')
until_ok 20 'the tasks have a name' '[ "$(found tasks.web)" = "$tasks" ]'
for name in web web. WEB web.net www tasks.web tasks.www tasks.web.net; do
  case $(found "$name") in "$vip") run echo "$name is the virtual address";; "$tasks") run echo "$name are the tasks";; *) run echo "$name is $(found "$name")";; esac
done
quiet docker service scale -d web=1 >/dev/null
until_ok 20 'one task has a name' '[ "$(found tasks.web | wc -w)" = 1 ]'
case $(found web) in "$vip") run echo web is the virtual address;; esac
docker service rm web
until_ok 20 'the name is gone' '! docker exec own nslookup -type=a web'
until_ok 20 'the containers are gone' containers web 0
