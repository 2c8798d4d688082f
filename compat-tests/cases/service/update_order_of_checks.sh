# about: of several things that are wrong with an update of a service, which one is told
# hosts: 1
swarm_init
make_service web --replicas 0
now() { try api GET /services/web | pick Version.Index; }
spec() { printf '{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"%s"}%s},"Mode":{"Replicated":{"Replicas":0}}}' "${2:-busybox}" "$1"; }
good=$(spec '')
unread='{"Name":'
restart=$(spec ',"RestartPolicy":{"Condition":"odd"}')
network=$(spec ',"Networks":[{"Target":"nope"}]')
v=$(now)
odd='registryAuthFrom=odd&rollback=sideways'
for id in web nope; do
  for query in "" "?version=x" "?version=x&$odd" "?version=$v&$odd" "?version=$v&rollback=sideways" "?version=1&$odd" "?version=1"; do
    api POST "/services/$id/update$query" "$unread"
    api POST "/services/$id/update$query" "$network"
    api POST "/services/$id/update$query" "$restart"
  done
  for query in "?version=$v&$odd" "?version=$v&rollback=sideways" "?version=1&rollback=sideways" "?version=1" "?version=$v&registryAuthFrom=previous-spec" "?version=1&registryAuthFrom=previous-spec&rollback=previous" "?version=$v&rollback=previous"; do
    api POST "/services/$id/update$query" '{"Name":"other","TaskTemplate":{"ContainerSpec":{}}}'
  done
done
api -H "X-Registry-Auth: $(auth a b)" POST "/services/web/update?version=$v&$odd" "$good"
api -H "X-Registry-Auth: $(auth a b)" POST "/services/web/update?version=1&registryAuthFrom=odd" "$good"
api -H 'X-Registry-Auth: ?' POST "/services/web/update?version=1&registryAuthFrom=odd" "$good"
api POST "/services/web/update?version=$v&registryAuthFrom=odd" '{"Name":"web","TaskTemplate":{"Runtime":"plugin"}}'
api POST "/services/web/update?version=$v&registryAuthFrom=odd" '{"Name":"web","TaskTemplate":{"Runtime":"attachment"}}'
api POST "/services/web/update?version=$v&registryAuthFrom=odd" '{"Name":"web","TaskTemplate":{"Runtime":"odd"}}'
api POST "/services/nope/update?version=$v&registryAuthFrom=odd" '{"Name":"web","TaskTemplate":{"Runtime":"odd"}}'
api POST "/services/web/update?version=$v&rollback=previous" "$good"
api GET /services/web
