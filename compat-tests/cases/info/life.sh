# about: the section Swarm of docker info before, in and after a swarm
# hosts: 1
api GET /info
run sh -c "docker info | sed -n '/^ Swarm/,/^ Runtimes/p' | grep -v Runtimes"
docker swarm init --advertise-addr "$H1"
until_ok 20 'the root certificate is in info' '[ -n "$(docker info --format "{{.Swarm.Cluster.TLSInfo.TrustRoot}}")" ]'
api GET /info
run sh -c "docker info | sed -n '/^ Swarm/,/^ Runtimes/p' | grep -v Runtimes"
docker system info --format '{{json .Swarm.Cluster.Spec}} {{.Swarm.Cluster.SubnetSize}} {{.Swarm.Cluster.DataPathPort}} {{json .Swarm.Cluster.DefaultAddrPool}}'
docker info --format '{{.Swarm.NodeID}} {{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Error}} {{json .Swarm.RemoteManagers}}'
docker info --format '{{json .Plugins.Network}}'
docker swarm leave --force
api GET /info
run sh -c "docker info | sed -n '/^ Swarm/,/^ Runtimes/p' | grep -v Runtimes"
