# about: without a leader a manager still knows the networks that it uses itself
# hosts: 2
swarm_of 2 1
docker network create -d overlay used >/dev/null
docker network create -d overlay unused >/dev/null
make_service web --replicas 2 --network used
until_ok 30 'the tasks run' running web 2
docker node promote host2
until_ok 20 'host 2 is a manager' reachable 2
daemon kill 2
until_ok 60 'there is no leader' leaderless
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect used --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect unused --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network rm used
docker network rm unused
daemon start 2
