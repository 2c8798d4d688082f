# about: the leader is killed in the middle of a job, and comes back: as many completions as were asked for
# hosts: 3
swarm_of 3 3
replicas() { [ "$(try on 2 docker service ls --filter name=job --format '{{.Replicas}}')" = "$1" ]; }
some_done() { try docker service ls --filter name=job --format '{{.Replicas}}' | grep -q '([1-5]/6 completed)'; }
quiet docker service create -d -q --name job --mode replicated-job --replicas 6 --max-concurrent 2 --restart-delay 100ms --stop-signal KILL busybox sleep 3 >/dev/null
until_ok 60 'some are complete' some_done
daemon kill 1
until_ok 60 'there is another leader' on 2 docker node ls
daemon start 1
until_ok 120 'all are complete' replicas '0/2 (6/6 completed)'
on 2 docker service ls
sorted on 2 docker service ps job --filter desired-state=complete --format '{{.DesiredState}} {{.Error}}'
