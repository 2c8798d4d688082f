# about: --placement-pref spreads over the values of a label, and hosts without it count as one more
# hosts: 3
swarm_of 3 1
docker node update --label-add rack=a host1
docker node update --label-add rack=a host2
docker node update --label-add rack=b host3
make_service web --replicas 4 --placement-pref spread=node.labels.rack
until_ok 30 'four tasks run' running web 4
for k in 1 2 3; do on $k engine docker ps --format '{{.Image}}'; done
docker service inspect web --format '{{json .Spec.TaskTemplate.Placement.Preferences}}'
docker node update --label-rm rack host2
make_service other --replicas 3 --placement-pref spread=node.labels.rack
until_ok 30 'three tasks run' running other 3
sorted docker service ps other --format '{{.Node}}'
docker service create -d -q --name bad --placement-pref random=node.labels.rack busybox
docker service create -d -q --name bad --placement-pref spread busybox
