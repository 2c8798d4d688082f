# about: dockerd's own events of an overlay network, told under the swarm's id: made, joined, left, gone
# hosts: 1
swarm_init
export T0; T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
id=$(try docker network create -d overlay --attachable net)
quiet docker run -d --name c1 --network net --stop-signal KILL busybox sleep 1000 >/dev/null
quiet docker rm -f c1 >/dev/null
past --filter scope=local --filter type=network --filter network=$id --filter event=connect --format "'{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}} {{.Scope}}'"
until_ok 10 'the last container left' '[ -n "$(past --filter scope=local --filter network=net --filter event=disconnect)" ]'
quiet docker network rm net >/dev/null
until_ok 10 'the network is gone' '[ -n "$(past --filter scope=swarm --filter event=remove)" ]'
past --filter scope=local --filter network=net --filter event=create --filter event=connect --filter event=disconnect --format "'{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}} {{.Scope}}'"
