# about: bodies of POST /services/create that hold little, too much, or the wrong kind
# hosts: 1
swarm_init
new() { api POST /services/create "$1"; }
new '{"Name":"least","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"Replicated":{"Replicas":0}}}'
api GET /services/least
api GET /services/least?insertDefaults=true
new '{"Name":"extra","TaskTemplate":{"ContainerSpec":{"Image":"busybox","NoSuch":{"a":[1]}},"Mystery":7},"Mode":{"Replicated":{"Replicas":0}},"Zzz":null}'
new '{"name":"lower","tasktemplate":{"containerspec":{"image":"busybox"}},"mode":{"replicated":{"replicas":0}}}'
new '{"Name":"nulls","Labels":null,"TaskTemplate":{"ContainerSpec":{"Image":"busybox","Env":null,"Mounts":null},"Placement":null,"Networks":null},"Mode":{"Replicated":{"Replicas":0}},"EndpointSpec":null,"UpdateConfig":null}'
api GET /services/nulls
new '{}'
new '{"Name":"x"}'
new '{"Name":"x","TaskTemplate":{}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":null}}'
new '{"Name":"x","TaskTemplate":[]}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":"busybox"}}'
new '{"Name":["x"],"TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":7}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Command":"sleep 1"}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Labels":{"a":1}}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"},"Runtime":"odd"}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"},"RestartPolicy":{"Condition":"odd"}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"},"RestartPolicy":{"Delay":-1}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"UpdateConfig":{"Delay":-1}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"UpdateConfig":{"MaxFailureRatio":2}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"UpdateConfig":{"FailureAction":"odd"}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"UpdateConfig":{"Order":"odd"}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"Replicated":{"Replicas":-1}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"Replicated":{"Replicas":1e3}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"Replicated":{"Replicas":18446744073709551616}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"Replicated":{},"Global":{}}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"},"Networks":[{"Target":"nope"}]}}'
new '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"},"Networks":[{"Target":"ingress"}]}}'
docker service ls --format '{{.Name}}'
