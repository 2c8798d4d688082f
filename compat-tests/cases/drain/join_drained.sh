# about: a host that joins drained gets nothing until it is active
# hosts: 3
swarm_init
token=$(try docker swarm join-token -q worker)
make_service each --mode global
on 2 docker swarm join --token "$token" --availability drain "$H1:2377"
on 3 docker swarm join --token "$token" --availability pause "$H1:2377"
until_ok 20 'three nodes are ready' ready 3
make_service web --replicas 3
until_ok 30 'three tasks run' running web 3
docker node ls
docker service ps web --format '{{.Name}} {{.Node}}'
docker service ps each --format '{{.Node}}'
docker service ls
docker node update --availability active host2
docker node update --availability active host3
until_ok 30 'each host has one' running each 3
sorted docker service ps each --format '{{.Node}}'
