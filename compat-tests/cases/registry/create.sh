# about: a private registry: a service with its credential, one without, and one with a wrong password
# hosts: 1
lab registry 1
publish one:1 two:1 three:1
swarm_init
rejected() { until_ok 40 "a task of $1 is rejected" "try docker service ps $1 --format '{{.CurrentState}}' | grep -q ^Rejected"; }
docker service create -d --name without --restart-condition none $REGISTRY/one:1 sleep 100000
rejected without
docker service ps without --no-trunc --format '{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}'
log_in
wire docker service create -d --name web --with-registry-auth --stop-signal KILL $REGISTRY/one:1 sleep 100000
until_ok 40 'it runs' running web 1
docker service ps web --no-trunc --format '{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}'
# The credential of the one service serves no other one.
docker service create -d --name second --restart-condition none --no-resolve-image $REGISTRY/two:1 sleep 100000
rejected second
docker service ps second --no-trunc --format '{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}'
body() { printf '{"Name":"%s","TaskTemplate":{"ContainerSpec":{"Image":"%s","Args":["sleep","100000"],"StopSignal":"KILL"},"RestartPolicy":{"Condition":"none"}}}' "$1" "$REGISTRY/three:1"; }
try api -H "X-Registry-Auth: $(auth gam wrong)" POST /services/create "$(body wrong)" >/dev/null
rejected wrong
docker service ps wrong --no-trunc --format '{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}'
try api -H "X-Registry-Auth: $(auth gam hush-hush)" POST /services/create "$(body right)" >/dev/null
until_ok 40 'it runs' running right 1
docker service ps right --no-trunc --format '{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}'
