# about: a port that another service publishes is refused, whichever of the two is in which mode; another protocol is not
# hosts: 1
swarm_init
docker service create -d --name web --replicas 0 --publish 8080:80 busybox sleep 100000
docker service create -d --name auto --replicas 0 --publish 80 busybox sleep 100000
docker service create -d --name host --replicas 0 --publish mode=host,published=8081,target=80 busybox sleep 100000
until_ok 10 'the automatic port is there' '[ -n "$(docker service inspect auto --format "{{range .Endpoint.Ports}}{{.PublishedPort}}{{end}}")" ]'
docker service create -d --name x --publish 8080:81 busybox sleep 100000
docker service create -d --name x --publish 9090:81 --publish 8080:81 busybox sleep 100000
docker service create -d --name x --publish mode=host,published=8080,target=81 busybox sleep 100000
docker service create -d --name x --publish 8081:81 busybox sleep 100000
docker service create -d --name x --publish 30000:80 busybox sleep 100000
docker service create -d --name x --replicas 0 --publish 8080:80/udp --publish 8081:80/sctp busybox sleep 100000
docker service create -d --name y --publish 9090:80 --publish 9090:81 busybox sleep 100000
docker service update -d --publish-add 8080:90 auto
docker service update -d --publish-add 8080:90 web
docker service update -d --publish-add 8085:90 web
docker service rm web
docker service create -d --name y --replicas 0 --publish 8080:80 busybox sleep 100000
docker service ls --format '{{.Name}} {{.Ports}}'
