# about: what was answered with success is there after a kill a moment later
# hosts: 1
swarm_init
for n in 1 2 3; do
  make_service "s$n" --replicas 0 --label "round=$n"
  docker network create -d overlay "n$n"
  daemon kill
  daemon start
  until_ok 40 'it is the leader again' docker node ls
done
docker service ls
docker service ls --filter label=round=2 --format '{{.Name}}'
docker network ls --filter scope=swarm --format '{{.Name}}'
