# about: network rm by name, id and prefix, several, unknown, and of those that stay
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
for name in one two three; do quiet docker network create -d overlay $name >/dev/null; done
two=$(try docker network inspect two --format '{{.ID}}')
three=$(try docker network inspect three --format '{{.ID}}')
wire docker network rm one
docker network rm "$two" nope
docker network rm "$(prefix "$three" 8)"
docker network rm
docker network rm -f nope
docker network rm bridge
docker network rm ingress </dev/null
run sh -c 'echo n | docker network rm ingress'
docker network ls
api DELETE /networks/one
api DELETE /networks/bridge
quiet docker network create -d overlay one >/dev/null
api DELETE /networks/one
run sh -c 'echo y | docker network rm ingress'
until_ok 10 'ingress is gone' '! docker network inspect ingress'
docker network ls
docker network create -d overlay --ingress --subnet 10.99.0.0/24 mesh
docker network create -d overlay --ingress another
docker network ls --filter scope=swarm --format '{{.Name}} {{.Driver}}'
docker network inspect mesh --format '{{.Ingress}} {{json .IPAM.Config}}'
