# about: a leader that reaches the others and is not reached by them is replaced, and a worker loses no task
# hosts: 4
swarm_of 4 3
make_service web --replicas 3 --constraint node.hostname==host4
until_ok 30 'three tasks run' running web 3
leader() { try on "$1" docker node ls --format '{{.ManagerStatus}} {{.Hostname}}' | sed -n 's/^Leader host//p'; }
other() { echo $(($1 % 3 + 1)); }
replaced() { local now; now=$(leader "$(other "$1")"); [ -n "$now" ] && [ "$now" != "$1" ]; }
kept() { # kept K: each task that there was runs yet, says host K
  local now; now=$(try on "$1" docker service ps -q --filter desired-state=running web | sort)
  if [ -z "$(comm -23 <(echo "$before") <(echo "$now"))" ]; then run echo the same tasks; else run echo other tasks; fi
}
before=$(try docker service ps -q --filter desired-state=running web | sort)
# What it has opened itself is opened anew from the new address; the others know only the old one.
lab readdress 1 55
until_ok 60 'another one leads' replaced 1
on 2 docker service scale -d web=4
until_ok 60 'four tasks run' on 3 running web 4
on 3 docker node ls --filter name=host4 --format '{{.Hostname}} {{.Status}}'
kept 2
lab readdress 1
until_ok 60 'three managers' on 2 reachable 3
until_ok 60 'four nodes are ready' on 2 ready 4
until_ok 60 'it serves' on 1 docker node ls
# The same without a change of address. Docker notices that later.
if [ "$TARGET" = gam ]; then
  k=$(leader 2) && "$LAB" deaf "$k" || _stop
  until_ok 10 'another one leads' replaced "$k"
  # Long enough for a node that nobody hears to be lost: the one whose own manager is alone is.
  until_ok 20 'that node is lost' on "$(other "$k")" state "host$k" down
  until_ok 1 'host 4 is not' on "$(other "$k")" state host4 ready
  "$LAB" heal "$k" || _stop
  until_ok 60 'three managers' on 2 reachable 3
  until_ok 60 'four nodes are ready' on 2 ready 4
fi
kept 3
on 2 docker service ls
on 3 docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
