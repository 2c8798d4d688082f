# about: the raw stream of a service without and with a terminal: content type and frames
# hosts: 1
swarm_init
quiet docker service create -d --name plain --stop-signal KILL busybox sh -c 'echo one; exec sleep 100000' >/dev/null
quiet docker service create -d --name term --tty --stop-signal KILL busybox sh -c 'echo one; exec sleep 100000' >/dev/null
until_ok 30 'plain runs' running plain 1
until_ok 30 'term runs' running term 1
until_ok 10 'plain has said it' '[ -n "$(docker service logs plain)" ]'
until_ok 10 'term has said it' '[ -n "$(docker service logs --raw term)" ]'
run sh -c 'curl -s --unix-socket ${DOCKER_HOST#unix://} "http://docker/services/plain/logs?stdout=1&stderr=1" | tail -1 | od -A n -c -v'
api -i GET "/services/plain/logs?stderr=1"
docker service logs term
docker service logs --raw term
docker service logs -t term --tail 0
