# about: what a service does not say is filled in where it is asked for, also within what it says
# hosts: 1
swarm_init
docker network create -d overlay net
api POST /services/create '{"Name":"none","Mode":{"Replicated":{"Replicas":0}},"TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
api POST /services/create '{"Name":"some","Mode":{"Replicated":{"Replicas":0}},"TaskTemplate":{"ContainerSpec":{"Image":"busybox","DNSConfig":{}},
  "RestartPolicy":{},"Placement":{},"Resources":{}},"UpdateConfig":{"Parallelism":2},"RollbackConfig":{"Delay":5}}'
api POST /services/create '{"Name":"zero","Mode":{"Replicated":{"Replicas":0}},"TaskTemplate":{"ContainerSpec":{"Image":"busybox","StopGracePeriod":0},
  "RestartPolicy":{"Condition":"none","Delay":0,"MaxAttempts":0,"Window":0}},"UpdateConfig":{},"RollbackConfig":{}}'
for name in none some zero; do
  api GET "/services/$name"
  api GET "/services/$name?insertDefaults=true"
done
