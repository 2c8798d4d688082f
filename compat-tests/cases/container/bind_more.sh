# about: options of bind mounts that a container outside of swarms has
# hosts: 1
swarm_init
run mkdir -p /run/there
new() { # new NAME OPTIONS
  api POST /services/create "{\"Name\":\"$1\",\"TaskTemplate\":{\"RestartPolicy\":{\"Condition\":\"none\"},\"ContainerSpec\":{\"Image\":\"busybox\",
    \"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\",\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/run/there\",\"Target\":\"/t\",\"ReadOnly\":true,\"BindOptions\":{$2}}]}}}" >/dev/null
  until_ok 30 'it runs' running "$1" 1
  engine docker inspect "$(container 1 "$1")" --format '{{json .HostConfig.Mounts}}'
}
new create '"CreateMountpoint":true'
new flat '"ReadOnlyNonRecursive":true'
new force '"ReadOnlyForceRecursive":true,"Propagation":"rprivate"'
