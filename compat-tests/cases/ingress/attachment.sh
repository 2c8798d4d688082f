# about: a task with a published port is on the routing mesh's network as well as on its own, and a service has an address there
# hosts: 1
swarm_init
quiet docker network create -d overlay --subnet 10.77.0.0/24 net >/dev/null
docker service create -d -q --stop-signal KILL --name web --publish 8080:80 --network net busybox sleep 100000
docker service create -d -q --stop-signal KILL --name rr --publish mode=host,published=8082,target=80 --endpoint-mode dnsrr busybox sleep 100000
until_ok 20 'the addresses are there' '[ "$(docker inspect $(docker service ps -q web) --format "{{len .NetworksAttachments}}")" = 2 ]'
docker service inspect web --format '{{range .Endpoint.VirtualIPs}}{{slice .Addr 0 7}} {{end}}'
task=$(try docker service ps -q web)
docker inspect "$task" --format '{{range .NetworksAttachments}}{{.Network.Spec.Name}} {{.Network.Spec.Ingress}} {{range .Addresses}}{{slice . 0 7}}{{end}}{{"\n"}}{{end}}'
docker inspect "$(try docker service ps -q rr)" --format '{{json .NetworksAttachments}}'
docker service create -d --name x --network ingress busybox sleep 100000
