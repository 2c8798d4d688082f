# about: the commands that init and join-token print make a worker and a second worker; node ls on each host
# hosts: 3
docker swarm init --advertise-addr "$H1"
command=$(docker swarm join-token worker | grep 'docker swarm join')
docker swarm join-token manager
on 2 $command
on 3 $command
until_ok 20 'three nodes are ready' ready 3
docker node ls
on 2 docker node ls
on 3 docker node ls
docker node ls -q --filter role=worker
docker node inspect host2 host3 --format '{{.Description.Hostname}} {{.Spec.Role}} {{.Spec.Availability}} {{.Status.State}} {{.Status.Addr}}'
on 3 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeAddr}} {{.Swarm.Error}}'
