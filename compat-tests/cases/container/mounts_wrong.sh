# about: mounts that the engine refuses reject the task, with the reason
# hosts: 1
swarm_init
bad() { # bad NAME MOUNT
  docker service create -d --no-resolve-image --name "$1" --restart-condition none --mount "$2" busybox sleep 100000
  until_ok 30 'the task is rejected' '[ "$(docker service ps --format "{{.CurrentState}}" '"$1"' | cut -d" " -f1)" = Rejected ]'
  docker service ps "$1" --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
}
bad nobind type=bind,source=/no/such/dir,target=/x
bad relative type=volume,source=a,target=x
bad root type=volume,source=a,target=/
bad driver type=volume,source=a,target=/x,volume-driver=nope
docker service ls --format '{{.Name}} {{.Replicas}}'
engine docker ps -a --format '{{.Names}} {{.Status}}'
