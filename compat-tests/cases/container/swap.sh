# about: swap of a service, which its newer clients ask for
# hosts: 1
swarm_init
new() { # new NAME RESOURCES
  api POST /services/create "{\"Name\":\"$1\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",\"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\"},
    \"Resources\":$2}}" >/dev/null
  until_ok 30 'it runs' running "$1" 1
  engine docker inspect "$(container 1 "$1")" --format '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}'
}
new none '{"Limits":{"MemoryBytes":16777216}}'
new some '{"Limits":{"MemoryBytes":16777216},"SwapBytes":8388608,"MemorySwappiness":5}'
new unlimited '{"Limits":{"MemoryBytes":16777216},"SwapBytes":-1}'
new alone '{"SwapBytes":8388608}'
