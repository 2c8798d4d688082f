# about: what only Windows has, credential specs and named pipes, rejects the task in the engine's words
# hosts: 1
swarm_init
told() { try docker service ps --format '{{.CurrentState}}' "$1" | grep -q '^Rejected'; }
rejected() {
  until_ok 30 'the task is rejected' told "$1"
  docker service ps "$1" --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
}
flags() { # flags NAME FLAG...
  local name=$1; shift
  docker service create -d --no-resolve-image --name "$name" --restart-condition none "$@" busybox sleep 100000
  rejected "$name"
}
flags file --credential-spec file://spec.json
flags registry --credential-spec registry://spec
docker service inspect file --format '{{json .Spec.TaskTemplate.ContainerSpec.Privileges}}'
run sh -c 'echo "{}" | docker config create spec -' >/dev/null
flags config --credential-spec config://spec
docker service inspect config --format '{{json .Spec.TaskTemplate.ContainerSpec.Configs}}'
docker config rm spec
flags pipe --mount 'type=npipe,source=\\.\pipe\docker_engine,target=\\.\pipe\docker_engine'
flags nosource --mount 'type=npipe,target=\\.\pipe\x'
docker service create -d --name x --credential-spec nonsense busybox
docker service create -d --name x --credential-spec config://nope busybox
docker service create -d --name x --credential-spec file:// busybox
engine docker ps -a --format '{{.Names}} {{.Status}}'
