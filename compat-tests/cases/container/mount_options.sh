# about: propagation, recursion, sub-paths, driver options and tmpfs options of mounts, in the spec and in the container
# hosts: 1
swarm_init
run mkdir -p /run/tree/in /run/tree/out
run sh -c 'mount -t tmpfs none /run/tree/in && touch /run/tree/in/below /run/tree/top'
new() { # new NAME MOUNTS
  api POST /services/create "{\"Name\":\"$1\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",\"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\",
    \"Mounts\":[$2]}}}" >/dev/null
  until_ok 30 'it runs' running "$1" 1
  docker service inspect "$1" --format '{{json .Spec.TaskTemplate.ContainerSpec.Mounts}}'
  engine docker inspect "$(container 1 "$1")" --format '{{json .HostConfig.Mounts}}'
}
see() { local name=$1; shift; engine docker exec "$(container 1 "$name")" "$@"; }
new bind '{"Type":"bind","Source":"/run/tree","Target":"/all","BindOptions":{"Propagation":"RSLAVE"}},
  {"Type":"bind","Source":"/run/tree","Target":"/flat","ReadOnly":true,"BindOptions":{"NonRecursive":true}},
  {"Source":"/run/tree/in","Target":"/default","Consistency":"cached"}'
see bind sh -c 'ls /all/in /flat/in /default; touch /flat/x'
new volume '{"Type":"volume","Source":"made","Target":"/a","VolumeOptions":{"NoCopy":true,"Labels":{"a":"b"},
  "DriverConfig":{"Name":"local","Options":{"type":"tmpfs","device":"tmpfs","o":"size=1m"}}}},{"Type":"volume","Target":"/anonymous"}'
see volume sh -c 'df -k /a | tail -1 | tr -s " " | cut -d" " -f2'
engine docker volume inspect made --format '{{.Driver}} {{json .Labels}} {{json .Options}}'
engine docker run --rm -v tree:/v busybox mkdir /v/sub
new subpath '{"Type":"volume","Source":"tree","Target":"/s","VolumeOptions":{"Subpath":"sub"}}'
see subpath touch /s/here
engine docker run --rm -v tree:/v busybox ls /v/sub
new tmpfs '{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1048576,"Mode":1000,"Options":[["exec"]]}},{"Type":"tmpfs","Target":"/plain"}'
see tmpfs sh -c 'stat -c %a /t; grep -o " /t tmpfs [^ ]*" /proc/mounts | tr , "\n" | grep -E "exec|size|mode"'
