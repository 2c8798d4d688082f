# about: another credential alone replaces no running task, and serves the tasks that come after
# hosts: 1
lab registry 1
publish one:1
swarm_init
spec() { printf '{"Name":"web","Labels":{"a":"%s"},"TaskTemplate":{"ContainerSpec":{"Image":"%s","Args":["sleep","100000"],"StopSignal":"KILL"}}}' "$1" "$2"; }
version() { try api GET /services/web | pick Version.Index; }
api POST /services/create "$(spec a busybox)" >/dev/null
until_ok 40 'it runs' running web 1
id=$(container 1 web)
try api -H "X-Registry-Auth: $(auth gam hush-hush)" POST "/services/web/update?version=$(version)" "$(spec b busybox)" >/dev/null
try api POST "/services/web/update?version=$(version)" "$(spec c busybox)" >/dev/null
until_ok 20 'the same container runs' "[ '$id' = \"\$(container 1 web)\" ]"
docker service ps web --format '{{.Name}} {{.DesiredState}}'
try api POST "/services/web/update?version=$(version)" "$(spec c $REGISTRY/one:1)" >/dev/null
until_ok 40 'the new image runs' "try docker service ps web --format '{{.Image}} {{.CurrentState}}' | grep -q '^$REGISTRY/one:1 Running'"
