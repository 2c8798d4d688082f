# about: a host without its cable is found nowhere else, and within a second of its return every name is right everywhere
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 2 --constraint node.hostname!=host1
make_service watch --network net --endpoint-mode dnsrr --constraint node.hostname==host1
until_ok 30 'two tasks run' running web 2
until_ok 30 'the watcher runs' running watch 1
quiet on 2 docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
found() { try on "$1" engine docker exec "$2" nslookup -type=a "$3" 2>/dev/null | awk '/^Address/ && !/:53$/ {print $NF}' | sort -V | paste -sd' '; }
watch=$(container 1 watch)
until_ok 10 'the container is found' '[ -n "$(found 1 "$watch" box)" ]'
lab cut 2
until_ok 60 'host 2 is down' state host2 down
until_ok 30 'both tasks run elsewhere' '[ "$(on 3 engine docker ps -q --filter label=com.docker.swarm.service.name=web | wc -l)" = 2 ]'
tasks() { for id in $(try on 3 engine docker ps -q --filter label=com.docker.swarm.service.name=web); do try on 3 engine docker inspect "$id" --format '{{.NetworkSettings.Networks.net.IPAddress}}'; done | sort -V | paste -sd' '; }
until_ok 10 'only those are found' '[ "$(found 1 "$watch" web)" = "$(tasks)" ]'
if [ "$TARGET" = gam ]; then until_ok 1 'nobody says where the container is' '[ -z "$(found 1 "$watch" box)" ]'; fi
lab heal 2
until_ok 60 'host 2 is ready' state host2 ready
if [ "$TARGET" = gam ]; then limit=1; else limit=30; fi
until_ok $limit 'the container is found' '[ -n "$(found 1 "$watch" box)" ]'
until_ok $limit 'host 2 finds the tasks where they are' '[ "$(found 2 box web)" = "$(tasks)" ]'
if [ "$TARGET" = gam ]; then until_ok 10 "and reaches them" try on 2 engine docker exec box ping -q -c 1 -W 1 web; fi
on 2 docker rm -f box
docker service rm web watch
until_ok 30 'the network is free' docker network rm net
