# about: a worker's list of containers knows a swarm network by its id and name, and what is a task, as a manager's does
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable att
make_service web --mode global --network att
until_ok 30 'a task runs on each' running web 2
id=$(try docker network inspect -f '{{.Id}}' att)
on 2 quiet docker run -d --name plain --stop-signal KILL busybox sleep 100000
on 2 quiet docker run -d --name joined --network att --stop-signal KILL busybox sleep 100000
names() { on 2 sorted docker ps --filter "$1" --format '{{.Image}} {{.Label "com.docker.swarm.service.name"}}'; }
names "network=$id"
names network=att
names is-task=true
names is-task=false
# The id that the list shows is the network's.
on 2 run sh -c 'curl -s --unix-socket "${DOCKER_HOST#unix://}" http://d/containers/json | grep -o "\"NetworkID\":\"$0\"" | wc -l' "$id"
