# about: names across hosts: services, tasks and containers are found from everywhere, and no more once they are gone
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'three tasks run' running web 3
for k in 1 2 3; do quiet on $k docker run -d --name box$k --network-alias also$k --stop-signal KILL --network net busybox sleep 100000 >/dev/null; done
found() { try on "$1" docker exec "box$1" nslookup -type=a "$2" 2>/dev/null | awk '/^Address/ && !/:53$/ {print $NF}' | sort -V | paste -sd' '; }
box() { try on "$1" docker inspect "box$1" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
tasks() { for k in "$@"; do ip_of $k web net; done | sort -V | paste -sd' '; }
for k in 1 2 3; do
  until_ok 10 "host $k finds all tasks" '[ "$(found $k web)" = "$(tasks 1 2 3)" ]'
  until_ok 10 "host $k finds a container by its further name" '[ "$(found $k also3)" = "$(box 3)" ]'
  for other in 1 2 3; do until_ok 10 "host $k finds the container of host $other" '[ "$(found $k box$other)" = "$(box $other)" ]'; done
done
quiet on 2 docker exec box2 ping -q -c 1 -W 1 box3 >/dev/null
owner() { try on "$1" docker exec "box$1" nslookup -type=ptr "$(box "$2" | awk -F. '{print $4"."$3"."$2"."$1".in-addr.arpa"}')" | sed -n 's/.*name = //p'; }
until_ok 10 'addresses have names elsewhere, too' '[ "$(owner 1 3)" = box3.net ]'
on 3 docker rm -f box3
until_ok 5 'it is found no more' '[ -z "$(found 1 box3)" ] && [ -z "$(found 2 also3)" ]'
quiet docker node update --availability drain host2 >/dev/null
until_ok 30 'the task of host 2 is found no more' '[ "$(found 1 web)" = "$(tasks 1 3)" ] && [ "$(found 2 tasks.web)" = "$(tasks 1 3)" ]'
docker service rm web
until_ok 10 'the service is found no more' '[ -z "$(found 1 web)" ] && [ -z "$(found 2 web)" ]'
for k in 1 2; do on $k docker rm -f box$k; done
until_ok 30 'the network is free' docker network rm net
