# about: what one does with a task's container: exec, top, logs, cp, rename, pause, through the socket of the swarm
# hosts: 1
swarm_init
quiet docker service create -d --name web --stop-signal KILL busybox sh -c 'echo said; exec sleep 100000' >/dev/null
until_ok 30 'the task runs' running web 1
name=$(try docker ps --format '{{.Names}}')
docker exec "$name" echo hello
docker exec "$name" sh -c 'exit 4'
docker exec "$name" no-such-command
docker logs "$name"
run sh -c "docker top $name | tail -1 | grep -o sleep.*"
run sh -c "echo piped | docker exec -i $name cat"
run sh -c "docker cp $name:/etc/passwd - | tar -tf -"
docker pause "$name"
docker ps --format '{{.Names}}'
docker unpause "$name"
docker ps --filter name=web. --format '{{.Names}}'
docker container inspect web.1
docker exec web.1 true
