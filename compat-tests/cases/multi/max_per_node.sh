# about: --replicas-max-per-node over two hosts: what does not fit waits and says why
# hosts: 2
swarm_of 2 1
make_service web --replicas 5 --replicas-max-per-node 2
until_ok 30 'four tasks run' running web 4
until_ok 20 'the fifth says why' '[ "$(docker service ps web --no-trunc --format "{{.Error}}" | grep -c suitable)" = 1 ]'
sorted docker service ps web --no-trunc --filter desired-state=running --format '[{{.Node}}] {{.Error}}'
docker service ls
docker node update --availability drain host2
until_ok 30 'two tasks run, and none any more on host 2' '[ "$(try docker service ls --format "{{.Replicas}}")" = "2/5 (max 2 per node)" ]'
docker service ls
docker service update -d --replicas-max-per-node 5 web
until_ok 60 'five tasks run' running web 5
docker service ls
