# about: overlay networks that are refused: names, subnets, drivers, options
# hosts: 1
swarm_init
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
new --subnet 10.77.0.0/24 same
new --subnet 10.77.0.128/25 part
new --subnet 10.0.0.0/24 mesh
new --subnet 10.79.0.0 bad
new --subnet 10.79.0.0/33 bad
new --subnet nonsense bad
new --subnet 10.79.0.0/24 --gateway 10.80.0.1 bad
new --subnet 10.79.0.0/24 --gateway nonsense bad
new --gateway 10.79.0.1 bad
new --subnet 10.79.0.0/24 --ip-range 10.80.0.0/24 bad
new --subnet 10.79.0.0/24 --aux-address a=10.80.0.1 bad
new --subnet 10.79.0.5/24 host-bits
new --subnet 10.81.0.0/32 tiny
new --ingress --attachable bad
new --scope odd bad
new --scope local bad
docker network create -d nope bad
docker network create -d nope --scope swarm bad
new --ipam-driver nope bad
new --no-such-flag bad
docker network create
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
