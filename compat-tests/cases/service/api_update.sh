# about: POST /services/ID/update with versions absent, stale, malformed and right, with other names, modes and junk
# hosts: 1
swarm_init
make_service web --replicas 0
version=$(try api GET /services/web | pick Version.Index)
with() { printf '{"Name":"%s","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}%s},"Mode":%s}' "$1" "$2" "$3"; }
none='{"Replicated":{"Replicas":0}}'
good=$(with web '' "$none")
api POST /services/web/update "$good"
api POST /services/web/update?version= "$good"
api POST /services/web/update?version=x "$good"
api POST /services/web/update?version=-1 "$good"
api POST /services/web/update?version=1.5 "$good"
api POST /services/web/update?version=18446744073709551616 "$good"
api POST /services/web/update?version=1 "$good"
api POST /services/web/update?version=999999999 "$good"
api POST "/services/web/update?version=$version" 'null'
api POST "/services/web/update?version=$version" '{}'
api POST "/services/web/update?version=$version" "$(with other '' "$none")"
api POST "/services/web/update?version=$version" "$(with '' '' "$none")"
api POST "/services/web/update?version=$version" "$(with web '' '{"Global":{}}')"
api POST "/services/web/update?version=$version" "$(with web ',"RestartPolicy":{"Condition":"odd"}' "$none")"
api POST "/services/web/update?version=$version&rollback=previous" "$good"
api POST "/services/web/update?version=$version&rollback=sideways" "$good"
api POST "/services/web/update?version=$version&registryAuthFrom=odd" "$good"
api POST "/services/web/update?version=$version" "$good"
api POST "/services/web/update?version=$version" "$good"
api POST "/services/web/update?version=$(try api GET /services/web | pick Version.Index)&rollback=previous" "$good"
api GET /services/web
