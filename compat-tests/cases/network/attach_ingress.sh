# about: a container that wants to be on the network of the routing mesh, in a swarm with no other network and in one with more
# hosts: 1
swarm_init
docker run --rm --network ingress busybox true
quiet docker network create -d overlay --attachable att >/dev/null
docker run --rm --network ingress busybox true
docker run --rm --network ingress --ip 10.0.0.9 busybox true
