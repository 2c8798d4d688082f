# about: events of nodes when one is updated, and of containers beside them
# hosts: 1
swarm_init
until_ok 20 'the node is ready' '[ "$(docker node ls --format "{{.Status}}")" = Ready ]'
export T0; T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
quiet docker node update --availability drain host1 >/dev/null
until_ok 10 'the drain is told' '[ "$(past --filter type=node | grep -c availability.new=drain)" = 1 ]'
quiet docker node update --availability active --label-add a=b host1 >/dev/null
until_ok 10 'its end is told' '[ "$(past --filter type=node | grep -c availability.new=active)" = 1 ]'
past --filter type=node
past --filter type=node --filter event=update --format "'{{json .}}' | sed 's/:[0-9][0-9]*/:TIME/g'"
past --filter node=host1 --format "'{{.Action}}'"
past --filter node=nobody
make_service web
until_ok 30 'the task runs' running web 1
past --filter type=container --filter event=start --format "'{{.Type}} {{.Action}} {{.Scope}} {{.Actor.Attributes.name}}'"
