# about: a stack that uses what others made: found, not found, of the wrong scope; and left alone when the stack goes
# hosts: 1
swarm_init
printf 'hush' >key
cat >stack.yml <<'END'
version: "3.9"
services:
  web:
    image: busybox
    command: sleep 100000
    stop_signal: SIGKILL
    networks: [mine]
    volumes: ["data:/data"]
    secrets: [key]
    configs: [conf]
networks: {mine: {external: true, name: theirs}}
volumes: {data: {external: true, name: kept}}
secrets: {key: {external: true, name: their_key}}
configs: {conf: {external: true, name: their_conf}}
END
deploy() { docker stack deploy --resolve-image never -c "${1:-stack.yml}" app; }
deploy
quiet docker network create theirs >/dev/null
deploy
quiet docker network rm theirs >/dev/null
quiet docker network create -d overlay theirs >/dev/null
deploy
quiet docker secret create their_key key >/dev/null
deploy
quiet docker config create their_conf key >/dev/null
deploy
until_ok 40 'it runs' running app_web 1
engine docker exec $(container 1 app_web) cat /run/secrets/key /conf
docker stack ls
docker secret rm their_key
docker network rm theirs
docker stack rm app
until_ok 40 'no container is left' containers app_web 0
docker secret ls --format '{{.Name}}'
docker config ls --format '{{.Name}}'
docker network ls --filter name=theirs --format '{{.Name}} {{.Scope}}'
engine docker volume ls -q --filter name=kept
# The networks that a host has of its own.
printf 'services:\n  web: {image: busybox, command: sleep 100000, stop_signal: SIGKILL, networks: [outside]}\nnetworks: {outside: {external: true, name: host}}\n' >host.yml
deploy host.yml
until_ok 40 'it runs' running app_web 1
engine docker inspect $(container 1 app_web) --format '{{.HostConfig.NetworkMode}}'
docker stack rm app
