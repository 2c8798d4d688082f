# about: attachments that are refused
# hosts: 1
swarm_init
quiet docker network create -d overlay closed >/dev/null
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
docker run --rm --network closed busybox true
docker run --rm --network ingress busybox true
docker run --rm --network nope busybox true
docker run --rm --network net --ip 10.78.0.5 busybox true
docker run --rm --network net --ip 10.77.0.1 busybox true
docker run --rm --ip 10.77.0.5 busybox true
quiet docker run -d --name c --stop-signal KILL busybox sleep 100000 >/dev/null
docker network connect closed c
docker network connect nope c
docker network connect net nope
docker network disconnect net c
docker network disconnect nope c
docker network connect net c
docker network connect net c
docker network disconnect net c
quiet docker run -d --name first --stop-signal KILL --network net --ip 10.77.0.50 busybox sleep 100000 >/dev/null
docker run --rm --network net --ip 10.77.0.50 busybox true
docker ps -a --format '{{.Names}}'
