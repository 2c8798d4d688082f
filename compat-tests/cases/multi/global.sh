# about: a global service follows the hosts that join and leave
# hosts: 3
swarm_of 2 1
make_service each --mode global
until_ok 30 'one on each host' running each 2
docker service ls
swarm_join 3
until_ok 30 'and on the third' running each 3
docker service ls
sorted docker service ps each --format '{{.Node}}'
docker node ps host3 --format '{{.Image}} {{.Node}} {{.DesiredState}}'
docker node inspect host3 --format '{{.ID}}'
docker service ps each --no-trunc --filter node=host3 --format '{{.Name}}'
on 3 engine docker ps --format '{{.Image}} {{.Label "com.docker.swarm.node.id"}}'
on 3 docker swarm leave
until_ok 30 'two are left' running each 2
on 3 engine docker ps -q
docker node rm host3
docker service ls
sorted docker service ps each --filter desired-state=running --format '{{.Node}}'
