# about: networks that are named at the service and not at its tasks, as older clients do
# hosts: 1
swarm_init
quiet docker network create -d overlay net >/dev/null
quiet docker network create -d overlay other >/dev/null
new() { # new NAME SERVICE TASK
  api POST /services/create "{\"Name\":\"$1\",\"Networks\":$2,\"TaskTemplate\":{\"Networks\":$3,\"ContainerSpec\":{\"Image\":\"busybox\",
    \"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\"}}}" >/dev/null
  until_ok 30 'it runs' running "$1" 1
  engine docker inspect "$(container 1 "$1")" --format '{{range $name, $it := .NetworkSettings.Networks}}{{$name}} {{json $it.DriverOpts}} {{end}}'
}
new old '[{"Target":"net","Aliases":["alias"],"DriverOpts":{"a":"b"}}]' null
new both '[{"Target":"net"}]' '[{"Target":"other"}]'
until_ok 20 'the alias has an address' '[ -n "$(try engine docker exec $(container 1 old) nslookup alias 2>/dev/null | grep -A1 alias | grep Address)" ]'
api POST /services/create '{"Name":"x","Networks":[{"Target":"nope"}],"TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
