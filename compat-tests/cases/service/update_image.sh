# about: another image: new tasks, the old ones shut down, the previous spec kept
# hosts: 1
swarm_init
make_service web --replicas 2 --update-monitor 100ms
until_ok 30 'two tasks run' running web 2
wire docker service update -d --image busybox:2 --update-parallelism 2 web
until_ok 30 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
docker service ps web
docker service ls
docker service inspect web
docker service inspect --pretty web
until_ok 20 'the old containers are gone' containers web 2
engine sorted docker ps --format '{{.Names}} {{.Image}}'
