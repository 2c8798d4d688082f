# about: a worker with another address is the same node, under its new address
# hosts: 2
swarm_of 2 1
make_service each --mode global
until_ok 30 'one on each' running each 2
docker node inspect host2 --format '{{.ID}} {{.Status.Addr}}'
lab readdress 2 22
until_ok 60 'the manager knows' '[ "$(docker node inspect host2 --format "{{.Status.Addr}}")" != "$H2" ]'
until_ok 60 'host 2 is ready' state host2 ready
docker node inspect host2 --format '{{.ID}} {{.Status.Addr}}'
make_service other --mode global
until_ok 60 'one on each' running other 2
docker node ls
docker service ls
