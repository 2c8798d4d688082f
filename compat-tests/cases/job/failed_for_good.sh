# about: a task of a job that failed and is not to be restarted: what becomes of the others, and at the next execution
# hosts: 1
swarm_init
states() { docker service ps "$1" --format '{{.CurrentState}}' | cut -d' ' -f1 | sort | uniq -c | xargs; }
# One after the other: does the second have its turn?
docker service create -q -d --name two --mode replicated-job --replicas 2 --max-concurrent 1 --restart-condition none busybox false
# Side by side: the first fails, the others wait to be told.
docker service create -q -d --name three --mode replicated-job --replicas 3 --max-concurrent 2 --restart-condition none \
  --env 'SLOT={{.Task.Slot}}' busybox sh -c 'case $SLOT in 1|2) until [ -e /done ]; do sleep 0.1; done;; *) exit 3;; esac'
until_ok 60 'the first failed and the second runs' '[[ "$(states three)" == "1 Failed "?" Running" ]]'
tell() { try engine docker exec "$(try engine docker ps -q --filter "name=three.$1")" touch /done; }
tell 1
until_ok 60 'the third runs' '[[ "$(states three)" == "1 Complete "?" Failed 1 Running" ]]'
tell 2
until_ok 60 'the third is complete, and nothing else is under way' '[[ "$(states three)" == "2 Complete "[13]" Failed" ]]'
until_ok 60 'nothing of the other is under way' '[[ "$(states two)" == [12]" Failed" ]]'
sorted docker service ps three --format '{{.DesiredState}} {{.CurrentState}} {{.Error}}'
sorted docker service ps two --format '{{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls
# Another execution is another chance, and one only.
docker service create -q -d --name one --mode replicated-job --restart-condition none busybox false
until_ok 60 'it failed' '[ "$(states one)" = "1 Failed" ]'
docker service update -d --label-add a=b one
until_ok 60 'it failed again' '[ "$(states one)" = "2 Failed" ]'
docker service ls --filter name=one
