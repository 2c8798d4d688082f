# about: platforms of a service's image keep it from nodes of others
# hosts: 1
swarm_init
new() { # new NAME OS ARCHITECTURE
  api POST /services/create "{\"Name\":\"$1\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",\"Command\":[\"sleep\",\"100000\"],\"StopSignal\":\"KILL\"},
    \"Placement\":{\"Platforms\":[{\"OS\":\"$2\",\"Architecture\":\"$3\"}]}}}" >/dev/null
}
new windows windows amd64
new far linux s390x
new any linux ''
new none '' ''
for name in any none; do until_ok 30 'it runs' running $name 1; done
for name in windows far; do
  until_ok 10 'the scheduler has said why' '[ -n "$(docker service ps --format "{{.Error}}" '$name')" ]'
  docker service ps $name --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
done
