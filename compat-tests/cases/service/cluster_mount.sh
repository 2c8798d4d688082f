# about: a mount of a cluster volume, of which there is none
# hosts: 1
swarm_init
api POST /services/create '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Mounts":[{"Type":"cluster","Source":"v","Target":"/v","ClusterOptions":{}}]}}}'
until_ok 10 'if it is there, the scheduler has said why' '! docker service inspect x || [ -n "$(docker service ps --format "{{.Error}}" x)" ]'
docker service ps x --no-trunc --format '{{.Name}} {{.CurrentState}} {{.Error}}'
