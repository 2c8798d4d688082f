# about: registryAuthFrom: an update keeps the credential, takes that of before, or brings another one; a rollback
# hosts: 1
lab registry 1
publish one:1 one:2 one:3 one:4 one:5
swarm_init
spec() { printf '{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"%s","Args":["sleep","100000"],"StopSignal":"KILL"},"RestartPolicy":{"Condition":"none"}},"UpdateConfig":{"FailureAction":"continue","Parallelism":1,"Monitor":1000000}}' "$REGISTRY/one:$1"; }
version() { try api GET /services/web | pick Version.Index; }
last() { until_ok 40 "the task of one:$1 is $2" "try docker service ps web --no-trunc --format '{{.Image}} {{.CurrentState}}' | grep -q '^$REGISTRY/one:$1 $2'"; }
change() { # change IMAGE QUERY [HEADER]
  local query="version=$(version)$2"
  if [ -n "${3:-}" ]; then try api -H "X-Registry-Auth: $3" POST "/services/web/update?$query" "$(spec "$1")" >/dev/null
  else api POST "/services/web/update?$query" "$(spec "$1")" >/dev/null; fi
}
try api -H "X-Registry-Auth: $(auth gam hush-hush)" POST /services/create "$(spec 1)" >/dev/null
last 1 Running
change 2 '&registryAuthFrom=previous-spec'
change 2 ''
last 2 Running
# Another credential, which the registry does not take.
change 3 '&registryAuthFrom=odd' "$(auth gam wrong)"
last 3 Rejected
# That of the present spec is the wrong one, that of the previous one is right.
change 4 '&registryAuthFrom=spec'
last 4 Rejected
run echo "$(try docker service ps web --no-trunc --format '{{.Image}} {{.Error}}' | grep 'one:4 "' | sort -u)"
change 4 '' "$(auth gam hush-hush)"
last 4 Running
change 5 '' "$(auth gam wrong)"
last 5 Rejected
change 5 '&registryAuthFrom=previous-spec'
last 5 Running
docker service rollback -d web
docker service inspect web --format '{{.Spec.TaskTemplate.ContainerSpec.Image}} {{.PreviousSpec.TaskTemplate.ContainerSpec.Image}}'
