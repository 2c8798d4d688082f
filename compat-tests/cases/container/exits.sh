# about: a process that ends well under restart any is complete, and a new task takes its place
# hosts: 1
swarm_init
quiet docker service create -d --name web --restart-delay 50ms --stop-signal KILL --mount type=volume,source=vol,target=/v busybox sh -c 'test -e /v/been || { touch /v/been; exit 0; }; sleep 100000' >/dev/null
until_ok 30 'the second task runs' '[ "$(docker service ps -q web | wc -l)" = 2 ] && running web 1'
docker service ps web
docker service ls
until_ok 10 'both containers are there' '[ "$(engine docker ps -aq | wc -l)" = 2 ]'
engine docker ps -a --format '{{.Names}} {{.Status}}'
docker service rm web
until_ok 20 'both containers are gone' '[ "$(engine docker ps -aq | wc -l)" = 0 ]'
engine docker volume ls --format '{{.Name}}'
