# about: a host-mode port that a container of the engine's own holds fails the task, until it is free
# hosts: 1
swarm_init
docker run -d --name holder --stop-signal KILL -p 8082:80 busybox sleep 100000
docker service create -d --no-resolve-image --name web --stop-signal KILL --restart-condition none --publish mode=host,published=8082,target=80 busybox sleep 100000
until_ok 30 'the task failed' '[ -n "$(docker service ps --format "{{.Error}}" web)" ]'
docker service ps web --format '{{.Name}} {{.DesiredState}} {{.CurrentState}}'
run sh -c 'docker service ps web --no-trunc --format "{{.Error}}" | grep -o "port is already allocated\|address already in use" | head -1'
docker service ls
docker rm -f holder
docker service update -d --force web
until_ok 30 'now it runs' running web 1
