# about: attachments that are refused
# hosts: 1
swarm_init
quiet docker network create -d overlay closed >/dev/null
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
docker run --rm --network closed busybox true
docker run --rm --network ingress busybox true
docker run --rm --network nope busybox true
quiet docker run -d --name own --stop-signal KILL busybox sleep 100000 >/dev/null
docker network connect closed own
docker network connect nope own
docker network connect net nope
docker network disconnect net own
docker network disconnect nope own
docker network connect net own
docker network connect net own
docker network disconnect net own
docker ps -a --format '{{.Names}}'
docker network rm net closed
