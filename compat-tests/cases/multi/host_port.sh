# about: a port in host mode is free once per host
# hosts: 2
swarm_of 2 1
make_service web --replicas 3 --publish mode=host,published=8099,target=80
until_ok 30 'two tasks run' running web 2
until_ok 20 'the third says why' '[ "$(docker service ps web --no-trunc --format "{{.Error}}" | grep -c suitable)" = 1 ]'
sorted docker service ps web --no-trunc --filter desired-state=running --format '[{{.Node}}] {{.Error}} {{.Ports}}'
docker service ls
docker node ps host2 --format '{{.DesiredState}} {{.Ports}}'
for k in 1 2; do on $k engine docker ps --format '{{.Image}} {{.Ports}}'; done
make_service other --mode global --publish mode=host,published=8099,target=80
until_ok 20 'they say why' '[ "$(docker service ps other --no-trunc --format "{{.Error}}" | grep -c "in use")" = 2 ]'
docker service ps other --no-trunc --format '{{.Error}}'
docker service rm web
until_ok 60 'the other gets the ports' running other 2
