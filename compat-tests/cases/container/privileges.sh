# about: seccomp, AppArmor, SELinux and no-new-privileges as the container has them
# hosts: 1
swarm_init
new() { # new NAME PRIVILEGES
  api POST /services/create "{\"Name\":\"$1\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",\"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\",
    \"Privileges\":$2}}}" >/dev/null
  until_ok 30 'it runs' running "$1" 1
  docker service inspect "$1" --format '{{json .Spec.TaskTemplate.ContainerSpec.Privileges}}'
  engine docker inspect "$(container 1 "$1")" --format '{{json .HostConfig.SecurityOpt}}'
  run sh -c "docker exec $(container 1 "$1") grep -E '^(NoNewPrivs|Seccomp):' /proc/1/status" | cat >/dev/null
}
new none '{}'
new free '{"Seccomp":{"Mode":"unconfined"},"AppArmor":{"Mode":"disabled"},"NoNewPrivileges":true}'
new default '{"Seccomp":{"Mode":"default"},"AppArmor":{"Mode":"default"}}'
new custom "{\"Seccomp\":{\"Mode\":\"custom\",\"Profile\":\"$(printf '{"defaultAction":"SCMP_ACT_ALLOW"}' | base64 -w0)\"}}"
new unknown '{"Seccomp":{"Mode":"odd"},"AppArmor":{"Mode":"odd"}}'
new labels '{"SELinuxContext":{"Disable":true,"User":"u","Role":"r","Type":"t","Level":"l"}}'
api POST /services/create '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Privileges":{"Seccomp":{"Mode":"custom","Profile":"***"}}}}}'
api POST /services/create '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Privileges":{"NoNewPrivileges":"yes"}}}}'
