# about: a replicated job from its creation to its last completion, and once more
# hosts: 1
swarm_init
completed() { [ "$(docker service ls --filter name=$1 --format '{{.Replicas}}')" = "$2" ]; }
wire docker service create -d --name job --mode replicated-job --replicas 3 --max-concurrent 2 busybox true
until_ok 60 'all are complete' completed job '0/2 (3/3 completed)'
docker service ls
# Names are not told here: one ends in the node's id, by which the list is sorted.
sorted docker service ps job --format '{{.DesiredState}} {{.Error}}'
docker service inspect job --pretty
by Slot api GET /tasks
api GET /services/job
api GET '/services?status=true'
docker service ls --filter mode=replicated-job -q
docker service ls --filter mode=replicated -q
docker service update -d --force job
until_ok 60 'all are complete again' completed job '0/2 (3/3 completed)'
docker service inspect job --format '{{json .JobStatus.JobIteration}}'
sorted docker service ps job --format '{{.DesiredState}}'
docker service rm job
until_ok 30 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
