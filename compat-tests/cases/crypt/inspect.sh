# about: what an encrypted network says of itself: by the CLI and the API, whatever the option's value
# hosts: 1
swarm_init
docker network create -d overlay --opt encrypted net
docker network inspect net --format '{{json .Options}}'
docker network inspect net --format '{{.Driver}} {{.Scope}} {{.Attachable}} {{.Internal}} {{.Ingress}} {{.EnableIPv6}}'
api GET /networks/net
docker network ls --filter name=net --filter scope=swarm --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network create -d overlay --opt encrypted=true --subnet 10.87.0.0/24 other
docker network inspect other --format '{{json .Options}} {{json .IPAM.Config}}'
api POST /networks/create '{"Name":"third","Driver":"overlay","Attachable":true,"Options":{"encrypted":"no","com.docker.network.driver.mtu":"1400"}}'
docker network inspect third --format '{{json .Options}}'
docker network rm net other third
