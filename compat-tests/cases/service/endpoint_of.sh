# about: the spec that an endpoint tells is the one for which it last got an address or a port; a port without a target
# hosts: 1
swarm_init
quiet docker network create -d overlay net >/dev/null
show() { docker service inspect $1 --format '{{json .Spec.EndpointSpec}} {{json .Endpoint.Spec}} {{len .Endpoint.VirtualIPs}} {{json .Endpoint.Ports}}'; }
vips() { [ "$(docker service inspect $1 --format '{{len .Endpoint.VirtualIPs}}')" = $2 ]; }
quiet docker service create -q -d --name web --replicas 0 --endpoint-mode dnsrr --network net busybox >/dev/null
quiet docker service create -q -d --name plain --replicas 0 busybox >/dev/null
quiet docker service create -q -d --name vip --replicas 0 --network net busybox >/dev/null
until_ok 10 'it has an address' vips vip 1
show web; show plain; show vip
quiet docker service update -q -d --endpoint-mode vip web >/dev/null
quiet docker service update -q -d --endpoint-mode dnsrr vip >/dev/null
until_ok 10 'it has an address' vips web 1
until_ok 10 'it has none' vips vip 0
show web; show vip
quiet docker service update -q -d --network-rm net web >/dev/null
until_ok 10 'it has none' vips web 0
quiet docker service update -q -d --endpoint-mode dnsrr web >/dev/null
show web
api POST /services/create '{"Name":"mesh","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Args":["sleep","100000"],"StopSignal":"KILL"}},"EndpointSpec":{"Ports":[{"PublishedPort":9001}]}}'
until_ok 30 'it runs' running mesh 1
until_ok 10 'it has an address' vips mesh 1
show mesh
docker service ls --format '{{.Name}} {{.Ports}}'
run curl -s http://127.0.0.1:9001
docker service rm mesh
until_ok 20 'its container is gone' containers mesh 0
