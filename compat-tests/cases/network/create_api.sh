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
new '{"Name":"x","Driver":7}'
new '{"Name":"x","Driver":"overlay","Attachable":"yes"}'
new '{"Name":"x","Driver":"overlay","Options":{"a":1}}'
new '{"Name":"x","Driver":"overlay","IPAM":{"Config":{}}}'
new '{"Name":"x","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.1.1.1"}]}}'
new '{"Name":"x","Driver":"overlay","IPAM":{"Config":[{}]}}'
new '{"Name":"y","Driver":"overlay","IPAM":{"Driver":"nope"}}'
new '{"Name":"z","Driver":"overlay","ConfigOnly":true}'
new '{"Name":"z","Driver":"overlay","ConfigFrom":{"Network":"nope"}}'
new '{"Name":"z","Driver":"overlay","Scope":"odd"}'
new '{"Name":"z","Driver":"overlay","Ingress":true}'
new ''
new 'null'
new '{'
api GET /networks/least
api -H 'Content-Type: text/plain' POST /networks/create '{"Name":"w","Driver":"overlay"}'
docker network ls --filter scope=swarm --format '{{.Name}}'
