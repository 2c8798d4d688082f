# about: the daemon is killed and comes back: services and counts are as before, and obey
# hosts: 1
swarm_init
make_service web --replicas 2
make_service gone
until_ok 30 'web runs' running web 2
until_ok 30 'gone runs' running gone 1
quiet docker service update -d --label-add kept=yes web >/dev/null
quiet docker service rm gone >/dev/null
daemon kill
daemon start
until_ok 40 'the node is ready again' '[ "$(docker node ls --format "{{.Status}} {{.ManagerStatus}}")" = "Ready Leader" ]'
until_ok 60 'web runs again' running web 2
until_ok 20 'in two containers, and of the other none' '[ "$(engine docker ps -q | wc -l)" = 2 ]'
docker service ls
docker service inspect web --format '{{json .Spec.Labels}}'
docker service update -d --image busybox:2 --update-parallelism 0 --update-monitor 1ms web
until_ok 30 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
docker service ls
