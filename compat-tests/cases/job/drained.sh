# about: what a drained node has of a job goes on to its end; what fails there is tried elsewhere
# hosts: 2
swarm_of 2 1
try docker node update --label-add run=here --label-add each=here host2 >/dev/null
wait='until [ -e /done ]; do sleep 0.1; done'
quiet docker service create -q -d --name run --mode replicated-job --constraint node.labels.run==here busybox sh -c "$wait" >/dev/null
quiet docker service create -q -d --name each --mode global-job --constraint node.labels.each==here busybox sh -c "$wait" >/dev/null
quiet docker service create -q -d --name bad --mode replicated-job --constraint node.labels.run==here --restart-delay 50ms busybox \
  sh -c "$wait; exit 1" >/dev/null
look() { sorted docker service ps "$1" --format '{{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'; }
counts() { [ "$(docker service ls --filter name="$1" --format '{{.Replicas}}')" = "$2" ]; }
for job in run each bad; do until_ok 60 "$job runs" counts $job '1/1 (0/1 completed)'; done
docker node update --availability drain host2
docker node update --label-rm run --label-rm each host2
docker node update --label-add run=here host1
# Until this is done, much else could have been.
quiet docker service create -q -d --name after --mode replicated-job busybox true >/dev/null
until_ok 60 'another job is complete' counts after '0/1 (1/1 completed)'
for job in run each bad; do look $job; done
docker service ls
on 2 engine docker ps --format '{{.Image}} {{.State}}'
for job in run each bad; do try on 2 engine docker exec "$(container 2 $job)" touch /done; done
until_ok 60 'it is complete' counts run '0/1 (1/1 completed)'
look run
until_ok 60 'the global one is, too' '[ "$(docker service ps each --format "{{.CurrentState}}" | cut -d" " -f1)" = Complete ]'
look each
until_ok 60 'the failed one is tried on host 1' containers bad 1
until_ok 60 'and runs' counts bad '1/1 (0/1 completed)'
look bad
