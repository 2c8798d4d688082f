# about: a container that joined a network later is reached after each restart, whatever hardware address it has then
# hosts: 2
swarm_of 2 2
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host1
until_ok 30 'the task runs' running web 1
quiet on 2 docker run -d --name box --restart always --stop-signal KILL busybox sleep 100000 >/dev/null
on 2 docker network connect net box
box() { try on 2 docker inspect box --format '{{.NetworkSettings.Networks.net.IPAddress}}'; }
until_ok 10 'it is reached' 'pings 1 web "$(box)"'
for again in 1 2 3; do
  on 2 docker restart -t 0 box
  until_ok 5 'it is reached after a restart' 'pings 1 web "$(box)"'
done
quiet on 2 run sh -c "kill -9 $(try on 2 engine docker inspect box --format '{{.State.Pid}}')"
until_ok 10 'it is reached after dockerd restarted it' 'pings 1 web "$(box)"'
on 2 docker stop -t 0 box
until_ok 5 'it is not reached' '! pings 1 web "$(box)"'
on 2 docker start box
until_ok 5 'it is reached again' 'pings 1 web "$(box)"'
until_ok 5 'and reaches others' try on 2 docker exec box ping -q -c 1 -W 1 "$(ip_of 1 web net)"
on 2 docker rm -f box
