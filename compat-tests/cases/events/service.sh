# about: events of a service: create, update, scale, remove; with filters and as JSON
# hosts: 1
swarm_init
export T0; T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
seen() { [ "$(try run sh -c 'docker events --since $T0 --until $(date -u +%Y-%m-%dT%H:%M:%S.%NZ) --filter type=service' | grep -c "$1")" -ge "$2" ]; }
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
make_service web --replicas 0
until_ok 10 'creation is told' seen 'service create' 1
quiet docker service update -d --label-add a=b web >/dev/null
until_ok 10 'the update is told' seen 'service update' 1
quiet docker service scale -d web=1 >/dev/null
until_ok 10 'the scale is told' seen 'service update' 2
until_ok 30 'the task runs' running web 1
quiet docker service rm web >/dev/null
until_ok 10 'the end is told' seen 'service remove' 1
past --filter type=service
past --filter type=service --filter event=create --format "'{{json .}}' | sed 's/:[0-9][0-9]*/:TIME/g'"
past --filter type=service --filter event=update --format "'{{.Type}} {{.Action}} {{json .Actor.Attributes}}'"
past --filter service=web --filter event=remove
past --filter scope=swarm --filter type=service --format "'{{.Action}} {{.Scope}}'"
past --filter service=nope
past --filter scope=moon
past --filter type=service --filter bogus=x
past --filter type=odd
