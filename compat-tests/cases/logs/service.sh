# about: logs of a service with two replicas, in the forms of the command
# hosts: 1
swarm_init
quiet docker service create -d --name web --replicas 2 --stop-signal KILL busybox sh -c 'echo one; echo two; echo three; exec sleep 100000' >/dev/null
until_ok 30 'two tasks run' running web 2
until_ok 10 'all was said' '[ "$(run sh -c "docker service logs web 2>&1" | wc -l)" = 6 ]'
sorted docker service logs web
sorted docker service logs --no-trunc web
sorted docker service logs --no-task-ids web
sorted docker service logs --no-resolve web
sorted docker service logs --raw web
sorted docker service logs --tail 1 --no-task-ids web
sorted docker service logs --tail 0 web
sorted docker service logs --tail nonsense --no-task-ids web
sorted docker service logs --since 1h --no-task-ids web
sorted docker service logs --since 2001-01-01T00:00:00Z --no-task-ids web
run sh -c 'docker service logs -t --no-task-ids web 2>&1 | sed "s/^[0-9T:.Z-]*/TIME/" | sort'
docker service logs
docker service logs web web
docker service logs --details --tail 0 web
