# about: values that only the engine can judge reject the task, in the engine's words
# hosts: 1
swarm_init
told() { try docker service ps --format '{{.CurrentState}} {{.Error}}' "$1" | grep -qE '^(Rejected|Failed|Complete)'; }
n=0
bad() { # bad CONTAINER [TASK]: more of the container, more of the task
  n=$((n + 1))
  api POST /services/create "{\"Name\":\"s$n\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",\"Command\":[\"true\"]$1},
    \"RestartPolicy\":{\"Condition\":\"none\"}${2:-}}}" >/dev/null
  until_ok 30 'the task has ended' told "s$n"
  docker service ps "s$n" --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
}
bad ',"Sysctls":{"kernel.shmmax":"x","fs.nope":"1"}'
bad ',"CapabilityAdd":["CAP_NOPE"]'
bad ',"CapabilityDrop":["nope"]'
bad ',"Ulimits":[{"Name":"nope","Hard":1,"Soft":1}]'
bad ',"Ulimits":[{"Name":"nofile","Hard":1,"Soft":2}]'
bad ',"StopSignal":"NOPE"'
bad ',"User":"nobodyatall"'
bad ',"Groups":["nogroupatall"]'
bad ',"Dir":"relative"'
bad ',"OomScoreAdj":5000'
bad ',"DNSConfig":{"Nameservers":["nope"]}'
bad ',"DNSConfig":{"Search":["a b"]}'
bad ',"Hosts":["nope far"]'
bad ',"Env":["=x"]'
bad ',"Healthcheck":{"Test":["ODD"]}'
bad ',"Privileges":{"Seccomp":{"Mode":"custom","Profile":"bm9wZQ=="}}'
bad ',"Mounts":[{"Type":"volume","Source":"v","Target":"/v","VolumeOptions":{"Subpath":"../up"}}]'
bad ',"Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"Options":[["nope","1"]]}}]'
bad ',"Mounts":[{"Type":"tmpfs","Source":"s","Target":"/t"}]'
bad ',"Mounts":[{"Type":"volume","Source":"/abs","Target":"/t"}]'
bad '' ',"LogDriver":{"Name":"json-file","Options":{"nope":"1"}}'
bad '' ',"Resources":{"Limits":{"NanoCPUs":4000000000000}}'
engine docker ps -a --format '{{.Names}} {{.Status}}' | wc -l >/dev/null
