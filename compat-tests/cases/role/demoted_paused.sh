# about: a manager that is let go before it hears of its demotion, or that is promoted again before it does, is never taken for lost, and keeps its tasks
# hosts: 3
swarm_of 3 3
make_service web --constraint node.hostname==host3 --replicas 2
until_ok 30 'two tasks run' 'running web 2 && on 3 containers web 2'
before=$(try on 3 engine docker ps -q --no-trunc | sort)
since=$(try date +%s)
settled() { # settled ROLE: what the leader says, and the node itself
  [ "$(try docker node inspect host3 --format '{{.Spec.Role}} {{.Status.State}}{{with .ManagerStatus}} {{.Reachability}}{{end}}')" = "$1" ]
}
unhurt() {
  ! try docker events --since "$since" --until "$(try date +%s)" --filter type=node | grep -q 'state.new=down' &&
    [ "$(try on 3 engine docker ps -q --no-trunc | sort)" = "$before" ]
}
# The reference stops a node's agent for longer.
if [ "$TARGET" = gam ]; then
  "$LAB" pause 3 >&2
  quiet docker node demote host3 >/dev/null
  "$LAB" resume 3 >&2
  until_ok 10 'it is a worker' 'settled "worker ready" && ! try on 3 docker node ls >/dev/null'
  until_ok 1 'demoted without harm' unhurt
  quiet docker node promote host3 >/dev/null
  until_ok 20 'it is a manager' 'settled "manager ready reachable" && try on 3 docker node ls >/dev/null'
  "$LAB" pause 3 >&2
  quiet docker node demote host3 >/dev/null
  quiet docker node promote host3 >/dev/null
  "$LAB" resume 3 >&2
  until_ok 20 'it is one again' 'settled "manager ready reachable" && try on 3 docker node ls >/dev/null'
  until_ok 1 'promoted again without harm' unhurt
fi
docker service rm web
