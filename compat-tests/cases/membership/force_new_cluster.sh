# about: init --force-new-cluster on the survivor of two managers keeps cluster, tokens, nodes and services
# hosts: 3
swarm_of 3 1
docker node promote host2
until_ok 20 'host 2 is a manager' reachable 2
make_service web --replicas 2 --constraint node.hostname==host1
until_ok 30 'the tasks run' running web 2
docker swarm join-token -q worker
docker info --format '{{.Swarm.Cluster.ID}} {{.Swarm.NodeID}}'
on 3 docker swarm init --force-new-cluster
daemon kill 2
until_ok 60 'there is no leader' leaderless
docker swarm init
docker swarm init --force-new-cluster --advertise-addr "$H1"
docker info --format '{{.Swarm.Cluster.ID}} {{.Swarm.NodeID}} {{.Swarm.Managers}}'
docker swarm join-token -q worker
until_ok 60 'host 3 has found it' state host3 ready
docker node ls --format '{{.Hostname}} {{.Availability}} {{.ManagerStatus}}'
docker service ls --format '{{.Name}} {{.Mode}}'
until_ok 60 'the tasks run' running web 2
daemon start 2
