# about: the routing mesh's network can be replaced by one of the user's own, not while a port is published, and there is but one
# hosts: 1
swarm_init
docker network create -d overlay --ingress --subnet 10.99.0.0/24 mesh
docker service create -d -q --name web --replicas 0 --publish 8080:80 busybox sleep 100000
run sh -c 'echo y | docker network rm ingress'
docker service update -d --publish-rm 8080:80 web
until_ok 10 'the port is given up' '[ "$(docker service inspect web --format "{{len .Endpoint.Ports}}")" = 0 ]'
run sh -c 'echo n | docker network rm ingress'
run sh -c 'echo y | docker network rm ingress'
until_ok 20 'ingress is gone' '! docker network inspect ingress'
docker service update -d --publish-add 8080:80 web
docker service create -d -q --name x --publish 80 busybox sleep 100000
docker service create -d -q --name host --replicas 0 --publish mode=host,published=8081,target=80 busybox sleep 100000
docker network create -d overlay --ingress --attachable mesh
docker network create -d bridge --ingress mesh
docker network create -d overlay --ingress --subnet 10.99.0.0/24 --gateway 10.99.0.9 --opt com.docker.network.driver.mtu=1200 mesh
docker network create -d overlay --ingress other
docker network inspect mesh --format '{{.Ingress}} {{.Scope}} {{json .IPAM.Config}}'
docker service update -d --publish-add 8080:80 web
until_ok 10 'the service has an address' '[ "$(docker service inspect web --format "{{len .Endpoint.VirtualIPs}}")" = 1 ]'
docker service inspect web --format '{{json .Endpoint.Ports}} {{range .Endpoint.VirtualIPs}}{{slice .Addr 0 8}}{{end}}'
if [ "$TARGET" = gam ]; then
  quiet docker service update -d --image busybox --args "sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'" --stop-signal KILL --replicas 1 web >/dev/null
  until_ok 30 'it answers' '[ "$(run curl -s -m 2 "http://$H1:8080/")" = hello ]'
  until_ok 10 'from outside, too' '[ "$("$LAB" switch curl -s -m 2 "http://$H1:8080/")" = hello ]'
fi
run sh -c 'echo y | docker network rm mesh'
docker service rm web
gone() { run sh -c 'echo y | docker network rm mesh'; ! docker network inspect mesh; }
until_ok 20 'the network is free' gone
docker network ls --filter scope=swarm --format '{{.Name}}'
