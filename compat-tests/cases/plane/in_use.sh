# about: a network that a container on another host uses cannot be removed, and can when it is gone
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
quiet on 2 docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
docker network rm net
on 2 docker network rm net
quiet on 2 docker exec box ping -q -c 1 -W 1 10.78.0.1 >/dev/null
on 2 docker rm -f box
until_ok 30 'the network is free' docker network rm net
