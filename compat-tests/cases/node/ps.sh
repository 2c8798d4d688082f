# about: node ps with and without tasks
# hosts: 1
swarm_init
docker node ps
make_service web --replicas 2
until_ok 30 'two tasks run' running web 2
docker node ps
docker node ps self --format '{{.Name}} {{.Image}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}} {{.Ports}}'
docker node ps --filter name=web.1 --format '{{.Name}}'
docker node ps --filter desired-state=shutdown host1
docker node ps --filter desired-state=odd
docker node ps --filter bogus=x
docker node ps -q --no-trunc
engine sorted docker ps --format '{{.Names}} {{.Image}} {{.Command}} {{.Status}}'
