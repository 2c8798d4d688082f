# about: service ls: filters, formats, quiet
# hosts: 1
swarm_init
make_service one --label tier=front --label only
make_service two --mode global --label tier=back
make_service three --replicas 0
until_ok 30 'one runs' running one 1
until_ok 30 'two runs' running two 1
docker service ls
docker service ls --format '{{.ID}} {{.Name}} {{.Mode}} {{.Replicas}} {{.Image}} {{.Ports}}'
docker service ls --filter name=t --format '{{.Name}}'
docker service ls --filter name=one --filter name=three --format '{{.Name}}'
docker service ls --filter label=tier --format '{{.Name}}'
docker service ls --filter label=tier=back --format '{{.Name}}'
docker service ls --filter label=only --filter label=tier --format '{{.Name}}'
docker service ls --filter mode=global --format '{{.Name}}'
docker service ls --filter mode=replicated --format '{{.Name}}'
id=$(try docker service inspect one --format "{{.ID}}")
docker service ls --filter "id=$id" --format '{{.Name}}'
docker service ls --filter "id=$(prefix "$id" 9)" -q
docker service ls --format json --filter name=two
docker service ls --filter mode=odd
docker service ls --filter bogus=x
docker service ls --filter novalue
docker service ls --format '{{.Nope}}'
docker service ls surplus
