# about: the way of the manual: an attachable overlay, a service on two hosts, a container on the third, all reach all
# hosts: 3
swarm_of 3 3
docker network create -d overlay --attachable net
quiet docker service create -d -q --name busybox_service --stop-signal KILL --network net --endpoint-mode dnsrr --replicas 2 --replicas-max-per-node 1 --constraint node.hostname!=host3 busybox sleep 100000 >/dev/null
until_ok 30 'two tasks run' running busybox_service 2
one=$(ip_of 1 busybox_service net) two=$(ip_of 2 busybox_service net)
on 3 docker run -d --name box --stop-signal KILL --network net busybox sleep 100000
box=$(try on 3 docker inspect box --format '{{.NetworkSettings.Networks.net.IPAddress}}')
reach() { try on 3 docker exec box ping -q -c 1 -W 1 "$1" >/dev/null; }
until_ok 10 'the tasks reach each other' pings 1 busybox_service "$two"
until_ok 10 'both ways' pings 2 busybox_service "$one"
until_ok 10 'the container reaches the first' reach "$one"
until_ok 10 'and the second' reach "$two"
until_ok 10 'the first reaches the container' pings 1 busybox_service "$box"
until_ok 10 'the second, too' pings 2 busybox_service "$box"
on 3 docker rm -f box
until_ok 10 'it is gone' '! pings 1 busybox_service "$box"'
docker service ls
