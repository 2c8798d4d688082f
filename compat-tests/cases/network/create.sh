# about: overlay networks made with flags, listed and shown
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
wire docker network create -d overlay plain
docker network create -d overlay --attachable --label a=b --label c --subnet 10.77.0.0/24 --gateway 10.77.0.9 --opt com.docker.network.driver.mtu=1400 full
docker network create -d overlay --internal --scope swarm inner
docker network create -d overlay --subnet 10.78.0.0/16 --ip-range 10.78.5.0/24 ranged
docker network ls
docker network inspect plain
docker network inspect full
docker network inspect inner --format '{{.Internal}} {{.Attachable}} {{.Ingress}} {{.Scope}} {{.Driver}} {{json .IPAM}}'
docker network inspect ranged --format '{{json .IPAM}}'
api GET /networks/plain
api GET /networks/full?verbose=true
docker network create -d overlay second
docker network inspect second --format '{{json .IPAM.Config}}'
