# about: a service that gets an address or a port is told as updated, at its creation too
# hosts: 1
swarm_init
quiet docker network create -d overlay net >/dev/null
export T0; T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
seen() { [ "$(try past --filter type=service | grep -c .)" -ge "$1" ]; }
make_service plain --replicas 0
make_service port --replicas 0 -p 8080:80
make_service host --replicas 0 --publish mode=host,target=80
make_service virtual --replicas 0 --network net
make_service dnsrr --replicas 0 --network net --endpoint-mode dnsrr
until_ok 10 'they are told' seen 8
quiet docker service update -d --publish-add 99:99 plain >/dev/null
quiet docker service update -d --network-rm net virtual >/dev/null
until_ok 10 'the updates are told' seen 12
past --filter type=service --format "'{{.Action}} {{.Actor.Attributes.name}}'"
