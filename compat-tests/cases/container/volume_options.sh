# about: what a task's volumes look like in the engine, by the options of their mounts
# hosts: 1
swarm_init
n=0
volume() { # volume MOUNT-OPTIONS
  n=$((n + 1))
  quiet docker service create -d --name "s$n" --stop-signal KILL --mount "type=volume,source=v$n,target=/v$1" busybox sleep 100000 >/dev/null
  until_ok 30 'the task runs' running "s$n" 1
  engine docker volume inspect "v$n" --format '{{.Driver}} {{json .Labels}} {{json .Options}}'
  engine docker inspect "$(try engine docker ps -q --filter "name=s$n\\.")" --format '{{json .HostConfig.Mounts}}'
}
volume ''
volume ,readonly
volume ,volume-driver=local
volume ,volume-label=a=b
volume ,volume-nocopy
volume ,volume-opt=type=tmpfs,volume-opt=device=tmpfs
