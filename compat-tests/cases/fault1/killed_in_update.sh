# about: the daemon is killed in the middle of a rolling update, and the update ends all the same
# hosts: 1
swarm_init
make_service web --replicas 3 --update-monitor 100ms --update-delay 500ms
until_ok 30 'three tasks run' running web 3
docker service update -d --image busybox:2 web
until_ok 20 'it has begun' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = updating ]'
daemon kill
daemon start
until_ok 60 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
until_ok 60 'three tasks run' running web 3
until_ok 30 'in three containers' containers web 3
docker service ls
docker service ps web --filter desired-state=running --format '{{.Name}} {{.Image}}'
engine sorted docker ps --format '{{.Image}}'
