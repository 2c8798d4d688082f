# about: what the engine declares of its host (--node-generic-resource) is given to tasks by number or by name, each once
# hosts: 1
lab flags 1 --node-generic-resource gpu=one --node-generic-resource gpu=two --node-generic-resource disk=5
swarm_init
docker node inspect self --format '{{range .Description.Resources.GenericResources}}{{with .DiscreteResourceSpec}}{{.Kind}} {{.Value}}{{end}}{{end}}'
docker node inspect self --format '{{range .Description.Resources.GenericResources}}{{with .NamedResourceSpec}}{{.Kind}} {{.Value}};{{end}}{{end}}'
told() { # told SERVICE...: what the containers say that they were given
  for name in "$@"; do
    for id in $(try engine docker ps -q --filter "label=com.docker.swarm.service.name=$name"); do
      try engine docker exec "$id" env | grep ^DOCKER_RESOURCE
    done
  done | sort
}
reserve() { # reserve NAME REPLICAS RESOURCES
  api POST /services/create "{\"Name\":\"$1\",\"Mode\":{\"Replicated\":{\"Replicas\":$2}},\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",
    \"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\"},\"Resources\":{\"Reservations\":{\"GenericResources\":[$3]}}}}" >/dev/null
}
some() { echo "{\"DiscreteResourceSpec\":{\"Kind\":\"$1\",\"Value\":$2}}"; }
reserve web 2 "$(some disk 2),$(some gpu 1)"
until_ok 30 'both tasks run' running web 2
docker service inspect web --format '{{json .Spec.TaskTemplate.Resources}}'
run echo "$(told web)"
for id in $(try docker service ps -q web); do
  try docker inspect --type task "$id" --format '{{json .GenericResources}}'
done | sort >given
run cat given
docker service create -d --name more --stop-signal KILL --generic-resource gpu=1 busybox sleep 100000
docker service create -d --name few --stop-signal KILL --generic-resource disk=1 busybox sleep 100000
docker service create -d --name other --generic-resource fpga=1 busybox sleep 100000
reserve named 1 '{"NamedResourceSpec":{"Kind":"gpu","Value":"one"}}'
for name in more other named; do
  until_ok 10 'the scheduler has said why' '[ -n "$(docker service ps --format "{{.Error}}" '$name')" ]'
  docker service ps $name --no-trunc --format '{{.Name}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
done
until_ok 30 'one more disk is there' running few 1
run echo "$(told few)"
quiet docker service scale -d web=1 >/dev/null
until_ok 30 'what was given back runs it' running more 1
until_ok 20 'in one container' containers web 1
run echo "$(told web more | sort)" # each has one of the two names
docker service update -d --generic-resource-rm gpu --generic-resource-add ssd=3 web
docker service inspect web --format '{{len .Spec.TaskTemplate.Resources.Reservations.GenericResources}}'
docker service create -d --name x --generic-resource gpu=-1 busybox
docker service create -d --name x --generic-resource gpu=one busybox
docker service create -d --name x --generic-resource gpu busybox
