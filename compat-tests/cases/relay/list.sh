# about: containers asked for by a label of the swarm's are those of all hosts, any other list is of one host
# hosts: 2
swarm_of 2 1
make_service web --replicas 2 --replicas-max-per-node 1
until_ok 30 'both tasks run' running web 2
quiet on 2 engine docker run -d --name mine --label com.docker.swarm.service.name=web busybox sleep 1000
label=com.docker.swarm.service.name=web
# slots ARGS...: the slots of the containers that `docker ps` shows; the reference shows those of one host
slots() {
  local k
  for k in 1 2; do
    if [ "$TARGET" = reference ] || [ $k = 1 ]; then
      try on $k docker ps "$@" --format '{{.Names}}'
    fi
  done | grep '^web' | cut -d. -f1,2 | sort | xargs
}
run echo "of the service: $(slots --filter "label=$label")"
run echo "of the service and a node: $(slots --filter "label=$label" --filter "label=com.docker.swarm.node.id=$(try docker node inspect host2 --format '{{.ID}}')" | wc -w)"
run echo "of one host: $(try on 1 docker ps -q | wc -l)"
run echo "of one host, by a name: $(try on 1 docker ps -q --filter name=web | wc -l)"
run echo "of an agent that puts lists together itself: $(try api -H 'X-PortainerAgent-Target: host1' GET "/containers/json?filters={\"label\":[\"$label\"]}" | grep -o '"Id"' | wc -l)"
run echo "the newest: $(try docker ps -q -n 1 --filter "label=$label" | wc -l)"
run echo "on a worker, its own: $(try on 2 docker ps -q --filter "label=$label" | wc -l)"
on 2 engine docker rm -f mine
docker service rm web
