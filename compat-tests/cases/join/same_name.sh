# about: two nodes with one host name: both are members, the name alone is ambiguous
# hosts: 2
swarm_init
on 2 run hostname host1
swarm_join 2
until_ok 20 'both nodes are ready' ready 2
docker node ls --format '{{.Hostname}} {{.Status}}'
docker node inspect host1
docker node update --availability drain host1
docker node rm host1
docker node ps host1
docker node promote host1
api GET /nodes/host1
id=$(on 2 try docker info --format '{{.Swarm.NodeID}}')
docker node update --availability drain "$id"
sorted docker node ls --format '{{.Hostname}} {{.Availability}} {{.ManagerStatus}}'
docker node ls --filter name=host1 --format '{{.Hostname}}'
make_service web --replicas 2 --constraint node.hostname==host1
until_ok 30 'both tasks run' running web 2
docker service ps web --format '{{.Name}} {{.Node}}'
