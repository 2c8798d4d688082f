# about: a worker is promoted, once; then it serves what only managers do
# hosts: 2
swarm_of 2 1
on 2 docker node ls
wire docker node promote host2
until_ok 30 'host 2 is a manager' reachable 2
docker node promote host2
docker node promote host1 nope host2
docker node ls
until_ok 20 'host 2 serves' on 2 docker node ls
on 2 docker node ls
on 2 docker node inspect self --format '{{.Spec.Role}} {{.ManagerStatus.Reachability}} {{.ManagerStatus.Addr}} {{.ManagerStatus.Leader}}'
on 2 docker info --format '{{.Swarm.ControlAvailable}} {{.Swarm.Managers}} {{.Swarm.Nodes}}'
on 2 docker service create -d -q --name web --replicas 0 busybox
docker service ls
docker node promote
