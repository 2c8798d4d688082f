# about: replicas spread over the hosts, and so do those of a second service
# hosts: 3
swarm_of 3 1
make_service web --replicas 6
until_ok 30 'six tasks run' running web 6
sorted docker service ps web --format '{{.Node}}'
for k in 1 2 3; do on $k engine docker ps --format '{{.Image}}'; done
docker service ls
make_service other --replicas 3
until_ok 30 'three tasks run' running other 3
for k in 1 2 3; do docker node ps host$k --filter desired-state=running --format '{{.Image}} {{.DesiredState}}'; done
docker service scale -d web=3
until_ok 30 'three are left' running web 3
for k in 1 2 3; do until_ok 20 'one on each' on $k containers web 1; done
for k in 1 2 3; do on $k engine docker ps --format '{{.Image}}' --filter label=com.docker.swarm.service.name=web; done
