# about: one of two managers dies: no leader, until it is back; a worker is still a worker
# hosts: 3
swarm_of 3 1
docker node promote host2
until_ok 20 'host 2 is a manager' reachable 2
make_service web --replicas 2
until_ok 30 'the tasks run' running web 2
daemon kill 2
until_ok 60 'there is no leader' leaderless
docker node ls
docker service ls
docker service create -d busybox
docker service rm web
docker swarm join-token worker
docker swarm update --task-history-limit 1
docker network create -d overlay net
api GET /services
api GET /swarm
docker swarm leave
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Error}} {{.Swarm.Nodes}} {{.Swarm.Managers}}'
on 3 docker node ls
daemon start 2
until_ok 60 'all is well again' ready 3
until_ok 60 'and two managers are reachable' reachable 2
docker service ls --format '{{.Name}}'
