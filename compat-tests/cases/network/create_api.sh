# about: bodies of POST /networks/create for overlay networks
# hosts: 1
swarm_init
new() { api POST /networks/create "$1"; }
new '{"Name":"least","Driver":"overlay"}'
new '{"Name":"least","Driver":"overlay"}'
new '{"Name":"least","Driver":"overlay","CheckDuplicate":true}'
new '{"Name":"least"}'
new '{"Name":"extra","Driver":"overlay","NoSuch":1,"Labels":null,"Options":null,"IPAM":null}'
new '{"Driver":"overlay"}'
new '{"Name":null,"Driver":"overlay"}'
new '{"Name":"n1","Driver":7}'
new '{"Name":"n2","Driver":"overlay","Attachable":"yes"}'
new '{"Name":"n7","Driver":"overlay","CheckDuplicate":"x"}'
new '{"Name":"n3","Driver":"overlay","Options":{"a":1}}'
new '{"Name":"n4","Driver":"overlay","IPAM":{"Config":{}}}'
new '{"Name":"n5","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.1.1.1"}]}}'
new '{"Name":"n6","Driver":"overlay","IPAM":{"Config":[{}]}}'
new '{"Name":"n8","Driver":"overlay","ConfigOnly":true}'
new '{"Name":"n9","Driver":"overlay","ConfigFrom":{"Network":"nope"}}'
new '{"Name":"n10","Driver":"overlay","Scope":"odd"}'
new '{"Name":"n11","Driver":"overlay","Ingress":true}'
new ''
new 'null'
new '{'
api GET /networks/least
api -H 'Content-Type: text/plain' POST /networks/create '{"Name":"n12","Driver":"overlay"}'
docker network ls --filter name=n9 --format "{{.Name}} {{.Driver}} {{.Scope}}"
docker network ls --filter scope=swarm --format '{{.Name}}'
