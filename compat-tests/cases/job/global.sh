# about: a global job on two of three hosts, one that comes later, and once more
# hosts: 3
swarm_of 2 1
completed() { [ "$(docker service ls --filter name=job --format '{{.Replicas}}')" = "$1" ]; }
docker service create -d --name job --mode global-job busybox true
until_ok 60 'both are complete' completed '0/0 (2/2 completed)'
docker service ls
sorted docker service ps job --format '{{.Node}} {{.DesiredState}}'
docker service inspect job --pretty
api GET /services/job
docker service update -d --force job
until_ok 60 'both are complete again' '[ "$(docker service inspect job --format "{{.JobStatus.JobIteration.Index}}")" = 1 ] && [ "$(docker service ls --format "{{.Replicas}}")" = "0/0 (2/2 completed)" ]'
until_ok 30 'the execution before is forgotten' '[ "$(docker service ps -q job | wc -l)" = 2 ]'
sorted docker service ps job --format '{{.Node}} {{.DesiredState}}'
