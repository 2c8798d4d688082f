# about: node ps of one, several and unknown nodes, with its filters and formats
# hosts: 3
swarm_of 3 2
make_service one --constraint node.hostname==host2
make_service two --constraint node.hostname==host3
until_ok 30 'one runs' running one 1
until_ok 30 'two runs' running two 1
docker node ps
on 2 docker node ps --format '{{.Name}} {{.Node}}'
docker node ps host2 --format '{{.Name}} {{.Image}} {{.Node}} {{.DesiredState}}'
docker node ps host2 host3 --format '{{.Name}} {{.Node}}'
docker node ps host2 nope host3 --format '{{.Name}} {{.Node}}'
docker node ps nope
docker node ps host1
docker node ps host2 --filter name=one --format '{{.Name}}'
docker node ps host2 --filter name=two --format '{{.Name}}'
docker node ps host2 host3 --filter desired-state=shutdown -q
docker node ps host2 --filter node=host2 --format '{{.Name}}'
docker node ps host3 --no-resolve --format '{{.Name}} {{.Node}}'
docker node ps host3 -q
on 3 docker node ps
