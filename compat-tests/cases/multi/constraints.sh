# about: constraints by host name, role, id and label; a label that changes moves tasks
# hosts: 3
swarm_of 3 1
docker node update --label-add zone=a host2
id=$(try docker node inspect host3 --format '{{.ID}}')
make_service name --replicas 2 --constraint node.hostname==host2
make_service role --replicas 2 --constraint node.role!=manager
make_service id --constraint "node.id==$id"
make_service zone --replicas 2 --constraint node.labels.zone==a
make_service nowhere --constraint node.labels.zone==b
make_service each --mode global --constraint node.role==worker
for service in name role zone each; do until_ok 30 "$service runs" running $service 2; done
until_ok 30 'id runs' running id 1
for service in name role id zone each; do sorted docker service ps $service --format '{{.Node}}'; done
docker service ps nowhere --no-trunc --format '{{.Name}} [{{.Node}}] {{.Error}}'
docker service ls
docker node update --label-add zone=b host2
until_ok 30 'nowhere runs somewhere' running nowhere 1
until_ok 30 'zone runs no more' running zone 0
docker service ps nowhere --filter desired-state=running --format '{{.Node}}'
docker service ps zone --filter desired-state=running --no-trunc --format '{{.Name}} [{{.Node}}] {{.Error}}'
docker service ls
