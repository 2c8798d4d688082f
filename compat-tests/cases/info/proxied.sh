# about: what swarm mode has no part in works as ever beside it: run, exec, volumes, networks, images
# hosts: 1
swarm_init
docker run --rm busybox echo hello
docker run --rm -i busybox sh -c 'exit 7'
run sh -c 'echo piped | docker run --rm -i busybox cat'
docker run -d --name own --stop-signal KILL busybox sleep 100000
docker exec own echo in
docker ps --format '{{.Names}} {{.Image}}'
docker volume create own
docker volume ls -q
docker network create plain
docker network ls --filter name=plain --format '{{.Name}} {{.Driver}} {{.Scope}}'
sorted docker images --format '{{.Repository}}:{{.Tag}}' busybox
docker rm -f own
docker network rm plain
docker rm nope
