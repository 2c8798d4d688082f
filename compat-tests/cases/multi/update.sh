# about: a rolling update over the hosts, and its rollback
# hosts: 3
swarm_of 3 2
make_service web --replicas 3 --update-delay 100ms --update-monitor 200ms
until_ok 30 'three tasks run' running web 3
on 2 docker service update -d --image busybox:2 web
until_ok 60 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
docker service ls
sorted docker service ps web --filter desired-state=running --format '{{.Image}} {{.Node}}'
for k in 1 2 3; do on $k engine docker ps --format '{{.Image}}'; done
on 2 docker service rollback -d web
until_ok 60 'the rollback is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = rollback_completed ]'
docker service ls
docker service ps web --filter desired-state=running --format '{{.Image}}'
