# about: a running container that is connected to an overlay is reached from other hosts, until it leaves
# hosts: 2
swarm_of 2 2
quiet docker network create -d overlay --attachable net >/dev/null
make_service web --network net --endpoint-mode dnsrr --constraint node.hostname==host1
until_ok 30 'the task runs' running web 1
quiet on 2 docker run -d --name box --stop-signal KILL busybox sleep 100000 >/dev/null
on 2 docker network connect net box
box=$(try on 2 docker inspect box --format '{{.NetworkSettings.Networks.net.IPAddress}}')
until_ok 10 'it is reached' pings 1 web "$box"
until_ok 10 'and reaches the task' try on 2 docker exec box ping -q -c 1 -W 1 "$(ip_of 1 web net)"
on 2 docker network disconnect net box
until_ok 10 'it is not reached any more' '! pings 1 web "$box"'
