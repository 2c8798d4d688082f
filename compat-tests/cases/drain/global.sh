# about: a global service leaves a drained host, and comes back when it is active again
# hosts: 2
swarm_of 2 1
make_service each --mode global
until_ok 30 'one on each host' running each 2
docker node update --availability drain host2
until_ok 30 'none on host 2' on 2 containers each 0
until_ok 30 'one is left' running each 1
docker service ls
docker service ps each --filter desired-state=running --format '{{.Node}}'
docker node update --availability pause host1
docker service ls
docker node update --availability active host2
until_ok 30 'one on each host' running each 2
sorted docker service ps each --filter desired-state=running --format '{{.Node}}'
docker service ls
