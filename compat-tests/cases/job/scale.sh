# about: a replicated job is scaled and changed: each is another execution
# hosts: 1
swarm_init
stands() { [ "$(docker service inspect job --format '{{.JobStatus.JobIteration.Index}}') $(docker service ls --format '{{.Replicas}}')" = "$1" ]; }
docker service create -d --name job --mode replicated-job busybox true
until_ok 60 'it is complete' stands '0 0/1 (1/1 completed)'
docker service scale -d job=2
docker service inspect job --format '{{json .Spec.Mode}} {{json .JobStatus.JobIteration}}'
until_ok 60 'both are complete' stands '1 0/1 (2/2 completed)'
docker service update -d --replicas 3 job
docker service update -d --max-concurrent 2 job
docker service inspect job --format '{{json .Spec.Mode}} {{json .JobStatus.JobIteration}}'
docker service update -d --label-add a=b job
docker service inspect job --format '{{json .Spec.Labels}} {{json .JobStatus.JobIteration}}'
until_ok 60 'both are complete once more' stands '3 0/1 (2/2 completed)'
docker service rollback -d job
docker service inspect job --format '{{json .Spec.Labels}} {{json .JobStatus.JobIteration}} {{.UpdateStatus.State}}'
until_ok 60 'and after the rollback' stands '4 0/1 (2/2 completed)'
