# about: a task and an attached container are in the same subnet and reach each other
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 2
until_ok 30 'two tasks run' running web 2
docker run -d --name own --stop-signal KILL --network net busybox sleep 100000
ip() { try engine docker inspect "$1" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
for id in $(try engine docker ps -q --filter label=com.docker.swarm.service.name=web); do
  case $(ip "$id") in 10.77.0.*) run echo a task is in the subnet;; *) run echo a task has the address "$(ip "$id")";; esac
  quiet docker exec own ping -c 1 -w 5 "$(ip "$id")" >/dev/null
  quiet docker exec "$id" ping -c 1 -w 5 "$(ip own)" >/dev/null
  engine docker inspect "$id" --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
done
docker service inspect web --format '{{json .Spec.TaskTemplate.Networks}}'
docker network rm net
docker service rm web
until_ok 20 'the containers are gone' containers web 0
docker rm -f own
until_ok 20 'nothing uses the network' docker network rm net
