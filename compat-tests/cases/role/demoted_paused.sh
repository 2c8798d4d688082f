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
  try docker events --since "$since" --until "$(($(try date +%s) + 1))" --filter type=node >events &&
    grep -q 'role.new=worker' events && ! grep -q 'state.new=down' events &&
    [ "$(try on 3 engine docker ps -q --no-trunc | sort)" = "$before" ]
}
# The reference stops a node's agent for longer.
if [ "$TARGET" = gam ]; then
  "$LAB" pause 3 >&2
  quiet docker node demote host3 >/dev/null
  "$LAB" resume 3 >&2
  until_ok 10 'it is a worker' 'settled "worker ready" && [ "$(try on 3 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
  until_ok 1 'demoted without harm' unhurt
  quiet docker node promote host3 >/dev/null
  until_ok 20 'it is a manager' 'settled "manager ready reachable" && try on 3 docker node ls >/dev/null'
  certificate() { sha256sum <"$LAB_DIR/h3/gam/certificates/swarm-node.json"; }
  old=$(certificate)
  "$LAB" pause 3 >&2
  quiet docker node demote host3 >/dev/null
  until_ok 3 'it is let go' 'settled "worker ready"'
  quiet docker node promote host3 >/dev/null
  "$LAB" resume 3 >&2
  until_ok 20 'it is one again' 'settled "manager ready reachable" && try on 3 docker node ls >/dev/null'
  until_ok 1 'promoted again without harm' unhurt
  # A member that knows of the demotion alone would refuse the old one.
  until_ok 1 'it has another certificate' '[ "$(certificate)" != "$old" ]'
fi
docker service rm web
