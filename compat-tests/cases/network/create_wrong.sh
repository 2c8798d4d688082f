# about: overlay networks that are refused: names, subnets, drivers, options
# hosts: 1
swarm_init
until_ok 10 'the node has its bridge' docker network inspect docker_gwbridge
new() { docker network create -d overlay "$@"; }
quiet docker network create -d overlay --subnet 10.77.0.0/24 net >/dev/null
quiet docker network create plain >/dev/null
new net
new NET
new plain
docker network create net
new 'a b'
new a.b
new ''
new -- -a
new "$(printf 'x%.0s' {1..64})"
new bridge
new host
new none
new ingress
docker network create bridge
new --subnet 10.79.0.0 bad1
new --subnet 10.79.0.0/33 bad2
new --subnet nonsense bad3
new --subnet 10.79.0.0/24 --gateway 10.80.0.1 bad4
new --subnet 10.79.0.0/24 --gateway nonsense bad5
new --gateway 10.79.0.1 bad6
new --subnet 10.79.0.0/24 --ip-range 10.80.0.0/24 bad7
new --subnet 10.79.0.0/24 --aux-address a=10.80.0.1 bad8
new --subnet 10.79.0.5/24 host-bits
new --subnet 10.81.0.0/32 tiny
new --ingress --attachable bad9
new --scope odd bad10
new --scope local bad11
new --no-such-flag bad15
docker network create
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
