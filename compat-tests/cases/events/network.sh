# about: events of swarm networks: create and remove, in the stream and by filter
# hosts: 1
swarm_init
export T0; T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
quiet docker network create -d overlay --label a=b net >/dev/null
quiet docker network create plain >/dev/null
until_ok 10 'creation is told' '[ -n "$(past --filter scope=swarm --filter event=create)" ]'
quiet docker network rm net plain >/dev/null
until_ok 10 'the end is told' '[ -n "$(past --filter scope=swarm --filter event=remove)" ]'
past --filter type=network --filter scope=swarm
past --filter scope=swarm --format "'{{json .}}' | sed 's/:[0-9][0-9]*/:TIME/g'"
past --filter type=network --filter scope=local --filter network=plain --format "'{{.Action}} {{.Actor.Attributes.name}} {{.Scope}}'"
past --filter network=net --format "'{{.Action}} {{.Actor.Attributes.name}}'"
