# about: templates in environment, host name and mounts of a service
# hosts: 1
swarm_init
docker service create -d --name web --label tier=front --label a.b=dotted --stop-signal KILL --hostname '{{.Service.Name}}-{{.Task.Slot}}' --env 'NAME={{.Service.Name}}' --env 'LABEL={{index .Service.Labels "a.b"}}' --env 'NONE=[{{index .Service.Labels "none"}}]' --env 'PLATFORM={{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}' --env 'IF={{if eq .Service.Name "web"}}yes{{else}}no{{end}}' --env 'ALL={{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}' --env 'JOIN={{join "-" .Service.Name "x"}}' --env 'PRINT={{printf "%s-%05d" .Service.Name 7}}' --env 'TRIM= a {{- "b" -}} c' --env 'PLAIN=}}' --env 'MAP={{.Service.Labels}}' --env 'SERVICE={{.Service.ID}}' --env 'NODE={{.Node.ID}} {{.Node.Hostname}}' --env 'TASK={{.Task.ID}} {{.Task.Name}}' --mount 'type=volume,source=v-{{.Service.Name}}-{{.Task.Slot}},target=/{{.Service.Name}},volume-label=of={{.Service.Name}}' busybox sleep 100000
until_ok 30 'the task runs' running web 1
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Env}}'
id=$(container 1 web)
engine docker exec "$id" hostname
engine docker inspect "$id" --format '{{range .Config.Env}}{{println .}}{{end}}'
engine docker inspect "$id" --format '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}}{{end}}'
engine docker volume inspect v-web-1 --format '{{json .Labels}}'
docker service rm web
until_ok 30 'it is gone' containers web 0
until_ok 30 'its volume can go' 'engine docker volume rm v-web-1'
