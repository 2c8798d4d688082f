# about: a worker leaves; its node is down until it is removed
# hosts: 3
swarm_of 3 1
wire on 2 docker swarm leave
on 2 docker swarm leave
on 2 docker swarm leave --force
on 2 docker info --format '{{.Swarm.LocalNodeState}} [{{.Swarm.NodeID}}] [{{.Swarm.NodeAddr}}] {{.Swarm.RemoteManagers}}'
on 2 docker node ls
until_ok 20 'host 2 is down' state host2 down
docker node ls
docker node inspect host2 --format '{{.Status.State}} {{.Spec.Availability}} {{.Status.Message}}'
on 3 api POST /swarm/leave?force=1
until_ok 20 'host 3 is down' state host3 down
docker node rm host2 host3
docker node ls
docker swarm leave
