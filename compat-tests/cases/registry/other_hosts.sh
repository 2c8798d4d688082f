# about: tasks on other hosts pull with the credential of their service; without one they are rejected
# hosts: 3
for k in 1 2 3; do lab registry $k; done
publish one:1 two:1
swarm_of 3 1
log_in
docker service create -d --name web --mode global --with-registry-auth --stop-signal KILL $REGISTRY/one:1 sleep 100000
until_ok 60 'they run' running web 3
for k in 1 2 3; do run echo "$k $(on $k containers web 1 && echo runs)"; done
sorted docker service ps web --no-trunc --format '{{.Node}} {{.Image}} {{.DesiredState}} {{.Error}}'
docker service create -d --name without --constraint node.hostname==host2 --restart-condition none --no-resolve-image $REGISTRY/two:1 sleep 100000
until_ok 40 'it is rejected' "try docker service ps without --format '{{.CurrentState}}' | grep -q ^Rejected"
docker service ps without --no-trunc --format '{{.Node}} {{.Image}} {{.DesiredState}} {{.Error}}'
docker service update -d --with-registry-auth --no-resolve-image --force --constraint-rm node.hostname==host2 --constraint-add node.hostname==host3 without
until_ok 40 'it runs' running without 1
docker service ps without --no-trunc --filter desired-state=running --format '{{.Node}} {{.Image}} {{.DesiredState}} {{.Error}}'
