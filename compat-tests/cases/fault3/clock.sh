# about: the clocks of the leader and of a worker step by an hour, one ahead and one back: nothing happens
# hosts: 3
swarm_of 3 3
make_service web --replicas 3
until_ok 30 'three tasks run' running web 3
# dockerd's clock cannot be moved; what it does without a step is what Gam does with one.
step() { # step HOST OFFSET: the next start sees the clock as it is, and then it steps
  [ "$TARGET" = gam ] || return 0
  "$LAB" clock "$1" "$2" || _stop
}
step 1 +0 && step 3 +0
daemon stop 3
daemon start 3
until_ok 60 'three managers' reachable 3
daemon stop 1
daemon start 1
until_ok 60 'three managers' on 2 reachable 3
until_ok 60 'three nodes are ready' on 2 ready 3
until_ok 60 'three tasks run' on 2 running web 3
before=$(try on 2 docker service ps -q --filter desired-state=running web | sort)
step 1 +3600
step 3 -3600
on 2 docker service scale -d web=6
until_ok 60 'six tasks run' on 2 running web 6
on 3 docker service update -d --label-add a=b web
docker service inspect web --format '{{json .Spec.Labels}}'
until_ok 60 'three managers' reachable 3
until_ok 60 'three nodes are ready' on 2 ready 3
after=$(try on 2 docker service ps -q --filter desired-state=running web | sort)
if [ -z "$(comm -23 <(echo "$before") <(echo "$after"))" ]; then run echo the same tasks; else run echo other tasks; fi
step 1 +0 && step 3 +0
docker service scale -d web=1
until_ok 60 'one task runs' on 2 running web 1
on 2 docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
