# about: another execution of a job stops the tasks of the one before
# hosts: 1
swarm_init
run_two() { [ "$(docker service ls --filter name=job --format '{{.Replicas}}')" = '2/2 (0/2 completed)' ]; }
docker service create -d --name job --mode replicated-job --replicas 2 --stop-signal KILL busybox sleep 100000
until_ok 60 'both run' run_two
docker service ls
docker service update -d --force job
until_ok 60 'the ones before are gone' '[ "$(docker service ps -q job | wc -l)" = 2 ]'
until_ok 60 'both run again' run_two
until_ok 60 'only their containers do' '[ "$(engine docker ps -q | wc -l)" = 2 ]'
docker service ls
# One name ends in the node's id, by which the list is sorted.
sorted docker service ps job --format '{{.DesiredState}}'
docker service inspect job --format '{{json .JobStatus.JobIteration}}'
docker service rm job
until_ok 30 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
