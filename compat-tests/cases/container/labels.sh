# about: how a task's container is named and labelled, and what of the image it takes
# hosts: 1
swarm_init
make_service web --container-label mine=yes --label not=here
until_ok 30 'the task runs' running web 1
id=$(try engine docker ps -q)
engine docker inspect "$id" --format '{{.Name}}'
engine docker inspect "$id" --format '{{json .Config.Labels}}'
engine docker inspect "$id" --format '{{.Config.Image}} {{json .Config.Cmd}} {{json .Config.Entrypoint}} {{json .Config.Env}} [{{.Config.User}}] [{{.Config.WorkingDir}}] {{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.AttachStdout}} {{.Config.StopSignal}}'
engine docker inspect "$id" --format '{{json .HostConfig.RestartPolicy}} {{.HostConfig.Init}} {{.HostConfig.AutoRemove}} {{.HostConfig.NetworkMode}} {{json .HostConfig.PortBindings}} {{json .HostConfig.Binds}} {{json .HostConfig.Mounts}}'
engine docker inspect "$id" --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'
engine docker inspect "$id" --format '{{eq (slice .Id 0 12) .Config.Hostname}} [{{.Config.Domainname}}]'
docker ps --format '{{.Names}} {{.Image}} {{.Command}} {{.Status}} {{.Networks}}'
docker ps --filter label=com.docker.swarm.service.name=web --format '{{.Names}}'
docker ps --filter is-task=true --format '{{.Names}}'
docker ps --filter is-task=false --format '{{.Names}}'
docker inspect "$id" --format '{{index .Config.Labels "com.docker.swarm.task.name"}}'
