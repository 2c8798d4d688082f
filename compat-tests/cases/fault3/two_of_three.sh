# about: two of three managers are killed: nothing goes until one is back
# hosts: 3
swarm_of 3 3
make_service web --replicas 0
daemon kill 2
daemon kill 3
until_ok 60 'there is no leader' leaderless
docker service update -d --label-add a=b web
docker service ls
daemon start 3
until_ok 60 'there is one' docker node ls
until_ok 60 'two managers' reachable 2
docker service update -d --label-add a=b web
on 3 docker service inspect web --format '{{json .Spec.Labels}}'
daemon start 2
until_ok 60 'three managers' reachable 3
on 2 docker service ls
