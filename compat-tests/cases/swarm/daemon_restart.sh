# about: what serves swarm mode is killed and comes back with the same swarm
# hosts: 1
docker swarm init --advertise-addr "$H1" --task-history-limit 7
quiet docker node update --label-add kept=yes host1
make_service web
until_ok 30 'the task runs' running web 1
daemon kill
daemon start
until_ok 30 'the node is ready again' '[ "$(docker node ls --format "{{.Status}} {{.ManagerStatus}}")" = "Ready Leader" ]'
until_ok 60 'the task runs again' running web 1
until_ok 10 'and in one container' containers web 1
docker node ls
docker node inspect self --format '{{json .Spec}}'
docker swarm join-token -q worker
docker info --format '{{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}'
docker service ls
daemon stop
daemon start
until_ok 60 'the task runs again' running web 1
docker service ls --format '{{.Name}} {{.Replicas}}'
