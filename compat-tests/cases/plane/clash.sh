# about: a subnet that one host uses for something else: tasks run where it is free, and that host says why they do not
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.78.0.0/24 net >/dev/null
quiet on 2 engine docker network create --subnet 10.78.0.0/16 mine >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 2 --restart-delay 200ms
if [ "$TARGET" = gam ]; then
  until_ok 30 'host 2 says why' 'docker service ps web --no-trunc --format "{{.Node}} {{.Error}}" | grep "host2 .*verlap"'
else # its overlays have address pools of their own
  until_ok 30 'two tasks run' running web 2
fi
until_ok 30 'a task runs on host 1' '[ "$(container 1 web | wc -l)" = 1 ]'
quiet on 2 engine docker network rm mine >/dev/null
until_ok 30 'two tasks run' running web 2
docker service rm web
until_ok 30 'the network is free' docker network rm net
