# about: filters and formats of node ls over several nodes
# hosts: 3
swarm_of 3 2
for filter in role=manager role=worker role=boss name=host2 name=host name=nope membership=accepted membership=pending membership=x node.label=zone label=x nope=1; do
  on 2 docker node ls --filter "$filter" --format '{{.Hostname}}'
done
docker node update --label-add zone=a host2
for filter in node.label=zone=a node.label=zone node.label=zone=b; do on 2 docker node ls --filter "$filter" --format '{{.Hostname}}'; done
docker node ls --filter role=manager --filter name=host1 --filter name=host3 --format '{{.Hostname}}'
docker node ls --filter "id=$(try docker node inspect host3 --format '{{.ID}}')" --format '{{.Hostname}}'
docker node ls --format '{{.Hostname}} {{.Self}} {{.Status}} {{.Availability}} [{{.ManagerStatus}}] {{.TLSStatus}} {{.EngineVersion}}'
on 2 docker node ls --format '{{.Hostname}} {{.Self}} [{{.ManagerStatus}}]'
docker node ls --format json
api GET '/nodes?filters={"role":["worker"]}'
