# about: two of four managers see the other two no more: neither half writes, and all is well when it is over
# hosts: 4
swarm_of 4 4
make_service web --replicas 0
for pair in 1-3 1-4 2-3 2-4; do lab cut $pair; done
for k in 1 2 3 4; do until_ok 60 "host $k knows no leader" on $k leaderless; done
docker service create -d busybox
on 2 docker service update -d --label-add half=1 web
on 3 docker service update -d --label-add half=2 web
on 4 docker node ls
for pair in 1-3 1-4 2-3 2-4; do lab heal $pair; done
for k in 1 2 3 4; do until_ok 60 "host $k serves" on $k docker node ls; done
until_ok 60 'four managers' reachable 4
until_ok 60 'four nodes are ready' ready 4
on 3 docker service update -d --label-add a=b web
on 2 docker service inspect web --format '{{json .Spec.Labels}}'
on 4 docker service ls
docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
