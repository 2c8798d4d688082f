# about: tasks are created, accepted, started; a list sees the whole of a running one
# hosts: 1
swarm_init
make_service web --env A=1 --limit-memory 64M
until_ok 30 'the task runs' running web 1
id=$(try docker service ps -q --no-trunc web)
container=$(try engine docker ps -q --no-trunc)
docker inspect "$id" --format '{{json .Spec}}'
docker inspect "$id" --format '{{.ID}} {{.ServiceID}} {{.NodeID}} {{.Slot}} {{.DesiredState}} {{json .Labels}}'
docker inspect "$id" --format '{{.Status.State}} {{.Status.Message}} {{.Status.ContainerStatus.ContainerID}} {{.Status.ContainerStatus.ExitCode}} {{json .Status.PortStatus}}'
engine docker inspect "$container" --format '{{.Id}} {{.Name}}'
docker node ps
docker service ps web --format '{{.ID}} {{.Name}} {{.Image}} {{.Node}} {{.DesiredState}} {{.CurrentState}} [{{.Error}}] [{{.Ports}}]'
