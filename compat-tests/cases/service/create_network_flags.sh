# about: dns, hosts, a host-mode port, dnsrr and a network with an alias in the spec
# hosts: 1
swarm_init
quiet docker network create -d overlay one >/dev/null
docker service create -d --name web --replicas 0 --dns 10.1.1.1 --dns-search example.test --dns-option ndots:2 --host far:10.9.9.9 \
  --endpoint-mode dnsrr --network name=one,alias=un --publish mode=host,published=8081,target=80 busybox sleep 100000
docker service inspect web --format '{{json .Spec}}'
docker service inspect --pretty web
docker service ls
docker service create -d --replicas 0 --name x --network one --network one busybox
docker service create -d --replicas 0 --name x --network name=one,alias= busybox
docker service create -d --replicas 0 --name x --network alias=x busybox
docker service create -d --replicas 0 --name x --network name=one,odd=x busybox
docker service update -d --network-rm one --dns-rm 10.1.1.1 --host-rm far:10.9.9.9 --publish-rm 80 web
docker service inspect web --format '{{json .Spec}}'
docker service ls
