# about: rm of several, by name, id and prefix, with unknown ones between; their tasks and containers go
# hosts: 1
swarm_init
make_service one --replicas 2
make_service two
make_service three
until_ok 30 'one runs' running one 2
until_ok 30 'two runs' running two 1
id=$(try docker service inspect one --format '{{.ID}}')
wire docker service rm one
docker service rm nope two nada
docker service rm "$id"
docker service rm "$(prefix "$(try docker service inspect three --format '{{.ID}}')" 7)"
docker service rm ''
docker service rm
docker service ls
until_ok 30 'all containers are gone' '[ -z "$(engine docker ps -aq)" ]'
until_ok 10 'all tasks are gone' '[ "$(api GET /tasks)" = "[]" ]'
api GET /tasks
api DELETE /services/one
make_service one
until_ok 30 'the name is free again' running one 1
api DELETE /services/one
api GET /services/one
