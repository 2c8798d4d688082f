# about: images pinned by digest, by the CLI unless told not to, by the daemon for old clients; and with the registry down
# hosts: 1
lab registry 1
publish one:1 one:2 absent:1
swarm_init
log_in
image() { docker service inspect "$1" --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}'; }
for how in pinned never; do
  docker service create -d --name $how $( [ $how = never ] && echo --no-resolve-image ) --with-registry-auth --stop-signal KILL $REGISTRY/one:1 sleep 100000
  until_ok 40 'it runs' running $how 1
  image $how
  docker service update -d --with-registry-auth $( [ $how = never ] && echo --no-resolve-image ) --image $REGISTRY/one:2 $how
  image $how
done
body() { printf '{"Name":"%s","TaskTemplate":{"ContainerSpec":{"Image":"%s"}},"Mode":{"Replicated":{"Replicas":0}}}' "$1" "$REGISTRY/$2"; }
old() { # old METHOD-PATH NAME IMAGE [HEADER]: for a client that leaves digests to the daemon; its warnings
  try api ${4:+-H "X-Registry-Auth: $4"} POST "/v1.29$1" "$(body "$2" "$3")" | pick Warnings
}
run echo "$(old /services/create old one:1 "$(auth gam hush-hush)")"
image old
run echo "$(old "/services/old/update?version=$(try api GET /services/old | pick Version.Index)" old one:2)"
image old
run echo "$(old /services/create older one)"
image older
run echo "$(old /services/create newer "one@sha256:$(printf 'a%.0s' {1..64})" "$(auth gam wrong)")"
image newer
lab registry 1 off
docker service create -d --name present --with-registry-auth --stop-signal KILL $REGISTRY/one:1 sleep 100000
until_ok 40 'it runs' running present 1
docker service create -d --name absent --with-registry-auth --restart-condition none $REGISTRY/absent:1 sleep 100000
until_ok 40 'it is rejected' "try docker service ps absent --format '{{.CurrentState}}' | grep -q ^Rejected"
docker service ps absent --no-trunc --format '{{.Name}} {{.Image}} {{.DesiredState}} {{.Error}}'
