# about: fields that came after the API version of a request do not count
# hosts: 1
swarm_init
spec() { # spec NAME
  echo "{\"Name\":\"$1\",\"Mode\":{\"Replicated\":{\"Replicas\":0}},\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",
    \"Sysctls\":{\"net.core.somaxconn\":\"9\"},\"CapabilityAdd\":[\"CAP_CHOWN\"],\"CapabilityDrop\":[\"CAP_KILL\"],
    \"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":2,\"Soft\":1}],\"OomScoreAdj\":5,\"Healthcheck\":{\"Test\":[\"NONE\"],\"StartInterval\":2000000},
    \"Privileges\":{\"Seccomp\":{\"Mode\":\"unconfined\"},\"AppArmor\":{\"Mode\":\"disabled\"},\"NoNewPrivileges\":true},
    \"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{\"Mode\":448,\"Options\":[[\"exec\"]]}}]},
    \"Resources\":{\"Limits\":{\"Pids\":7,\"MemoryBytes\":8388608}},\"Placement\":{\"MaxReplicas\":3}}}"
}
for version in 1.39 1.40 1.41 1.43 1.44 1.45 1.46 1.51; do
  name=at${version/./-}
  api POST "/v$version/services/create" "$(spec $name)" >/dev/null
  docker service inspect "$name" --format '{{json .Spec.TaskTemplate}}'
done
api POST /v1.40/services/create '{"Name":"job","Mode":{"ReplicatedJob":{"MaxConcurrent":2}},"TaskTemplate":{"ContainerSpec":{"Image":"busybox","Command":["true"]}}}'
docker service inspect job --format '{{json .Spec.Mode}}'
api POST /v1.39/services/create '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Privileges":{"CredentialSpec":{"Config":"c"}}}}}'
api POST /v1.39/services/create '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Configs":[{"ConfigID":"c","ConfigName":"c","Runtime":{}}]}}}'
version() { try docker service inspect "$1" | pick 0.Version.Index; }
id=$(try docker service inspect at1-51 --format '{{.ID}}')
api POST "/v1.40/services/$id/update?version=$(version at1-51)" "$(spec at1-51)" >/dev/null
docker service inspect at1-51 --format '{{json .Spec.TaskTemplate}}'
