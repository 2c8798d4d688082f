# about: swarm ca --rotate while the swarm runs: a new root on every node, the old tokens let nobody in
# hosts: 3
swarm_of 2 1
old=$(docker swarm join-token -q worker)
docker swarm ca
docker swarm ca --rotate -q
docker swarm ca
until_ok 60 'the rotation is over' '[ "$(docker info --format "{{.Swarm.Cluster.RootRotationInProgress}}")" = false ]'
docker node inspect host1 host2 --format '{{.Description.Hostname}} {{.Status.State}} {{.Description.TLSInfo.TrustRoot}}'
docker swarm join-token worker
on 3 docker swarm join --token "$old" "$H1:2377"
on 3 docker swarm join --token "$(try docker swarm join-token -q worker)" "$H1:2377"
until_ok 20 'three nodes are ready' ready 3
docker node ls
