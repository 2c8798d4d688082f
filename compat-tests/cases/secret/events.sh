# about: what is heard of secrets and configs
# hosts: 1
swarm_init
run sh -c 'printf one >one'
export T0; T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
seen() { [ "$(try run sh -c 'docker events --since $T0 --until $(date -u +%Y-%m-%dT%H:%M:%S.%NZ) --filter scope=swarm' | grep -c "$1 remove")" -ge 1 ]; }
for kind in secret config; do
quiet docker $kind create a one >/dev/null
v=$(try api GET /${kind}s/a | pick Version.Index)
quiet api POST "/${kind}s/a/update?version=$v" '{"Name":"a","Labels":{"x":"1"}}'
quiet docker $kind rm a >/dev/null
until_ok 10 'the end is told' seen $kind
past --filter type=$kind --format "'{{.Type}} {{.Action}} {{.Scope}} {{json .Actor}}'"
done
