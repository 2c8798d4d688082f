# about: published ports in the API and in the lists: numbers of one's own and automatic ones, virtual address, update
# hosts: 1
swarm_init
wire docker service create -d --name web --replicas 0 --publish 8080:80 --publish published=8053,target=53,protocol=udp busybox sleep 100000
docker service create -d --name many --replicas 0 --publish 9000-9002:80-82 --publish 9000:80/sctp busybox sleep 100000
docker service create -d --name auto --replicas 0 --publish 80 --publish 81 --publish 80/udp busybox sleep 100000
until_ok 10 'the ports are there' '[ -n "$(docker service inspect auto --format "{{range .Endpoint.Ports}}{{.PublishedPort}}{{end}}")" ]'
until_ok 10 'and the others' '[ -n "$(docker service inspect many --format "{{range .Endpoint.Ports}}{{.PublishedPort}}{{end}}")" ]'
docker service ls --format '{{.Name}} {{.Ports}}'
docker service inspect web --format '{{json .Spec.EndpointSpec}} {{json .Endpoint.Spec}} {{json .Endpoint.Ports}} {{len .Endpoint.VirtualIPs}}'
docker service inspect auto --format '{{json .Spec.EndpointSpec}} {{json .Endpoint.Ports}}'
docker service inspect --pretty web
docker service update -d --publish-rm 8080:80 --publish-add 8081:80 web
docker service update -d --publish-rm 80 --publish-add 82 auto
until_ok 10 'the new port is there' '[ "$(docker service inspect web --format "{{range .Endpoint.Ports}}{{.PublishedPort}} {{end}}")" != "8053 8080 " ]'
until_ok 10 'and the other' 'docker service inspect auto --format "{{json .Endpoint.Ports}}" | grep -q :82,'
docker service ls --format '{{.Name}} {{.Ports}}'
docker service create -d --name next --replicas 0 --publish 80 busybox sleep 100000
until_ok 10 'it has a port' '[ -n "$(docker service inspect next --format "{{range .Endpoint.Ports}}{{.PublishedPort}}{{end}}")" ]'
docker service ls --format '{{.Name}} {{.Ports}}'
docker service rm web many auto next
