# about: every manager is killed at once: what was acknowledged is there when they are back
# hosts: 3
swarm_of 3 3
make_service web --replicas 0 --label a=b
docker network create -d overlay net
on 2 docker node update --label-add x=y host3
on 3 docker swarm join-token -q --rotate worker
for k in 1 2 3; do daemon kill $k; done
for k in 1 2 3; do daemon start $k; done
until_ok 60 'three managers' reachable 3
until_ok 60 'three nodes are ready' ready 3
docker service inspect web --format '{{json .Spec.Labels}}'
on 2 docker network ls --filter scope=swarm --format '{{.Name}}'
on 3 docker node inspect host3 --format '{{json .Spec.Labels}}'
docker swarm join-token -q worker
docker node ls --format '{{.ID}} {{.Hostname}} {{.Status}}'
