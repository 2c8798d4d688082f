# about: addresses are of the task, each its own, kept apart by network, and in the task
# hosts: 1
swarm_init
quiet docker network create -d overlay --subnet 10.77.0.0/24 one >/dev/null
quiet docker network create -d overlay --subnet 10.78.0.0/24 --internal two >/dev/null
make_service web --network one --network two --endpoint-mode dnsrr --replicas 3
until_ok 30 'three tasks run' running web 3
all=$(for id in $(try engine docker ps -q); do try engine docker inspect "$id" --format '{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}'; done | grep . | sort -u)
run echo "$(wc -l <<<"$all") addresses, $(grep -c '^10.77.0.' <<<"$all") in one, $(grep -c '^10.78.0.' <<<"$all") in two"
task=$(try docker service ps -q --no-trunc web | head -1)
told=$(try docker inspect "$task" --format '{{range .NetworksAttachments}}{{range .Addresses}}{{println .}}{{end}}{{end}}' | grep . | cut -d/ -f1 | sort)
has=$(try engine docker inspect "$(try docker inspect "$task" --format '{{.Status.ContainerStatus.ContainerID}}')" --format '{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}' | grep . | sort)
if [ "$told" = "$has" ]; then run echo task and container agree; else run echo "$told is not $has"; fi
docker network ls --filter scope=swarm --format '{{.Name}} {{.Internal}}'
