# about: a network goes right after its service, and its name is free at once
# hosts: 2
swarm_of 2 1
for round in 1 2; do
  quiet docker network create -d overlay --attachable net >/dev/null
  make_service web --replicas 4 --network net
  until_ok 40 'four tasks run' running web 4
  quiet run sh -c 'docker service rm web && docker network rm net' >/dev/null
  # In Docker it is gone only when the tasks are.
  if [ "$TARGET" = reference ]; then until_ok 30 'it goes' '[ -z "$(docker network ls -q --filter name=net)" ]'; fi
  docker network ls --filter name=net --format '{{.Name}}'
done
for k in 1 2; do until_ok 40 "no container is left on host $k" on $k containers web 0; done
docker service ls
