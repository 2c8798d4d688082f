# about: mounts that the engine refuses reject the task, with the reason; an unknown volume driver leaves it pending
# hosts: 1
swarm_init
told() { try docker service ps --format '{{.CurrentState}} {{.Error}}' "$1" | grep -q "^$2"; }
bad() { # bad NAME STATE MOUNT
  docker service create -d --no-resolve-image --name "$1" --restart-condition none --mount "$3" busybox sleep 100000
  until_ok 30 "the task is $2" told "$1" "$2"
  docker service ps "$1" --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
}
bad nobind Rejected type=bind,source=/no/such/dir,target=/x
bad relative Rejected type=volume,source=aa,target=x
bad root Rejected type=volume,source=aa,target=/
bad short Rejected type=volume,source=a,target=/x
bad driver 'Pending.*suitable' type=volume,source=aa,target=/x,volume-driver=nope
docker service ls --format '{{.Name}} {{.Replicas}}'
engine docker ps -a --format '{{.Names}} {{.Status}}'
