# about: a service of one task is created, listed, shown in full and pretty
# hosts: 1
swarm_init
wire docker service create -d --name web --stop-signal KILL busybox sleep 100000
until_ok 30 'the task runs' running web 1
wire docker service ls
docker service ps web
docker service inspect web
docker service inspect --pretty web
docker service inspect web --format '{{.Spec.Name}} {{.Spec.TaskTemplate.ContainerSpec.Image}}'
api GET /services/web
engine docker ps --format '{{.Names}} {{.Image}} {{.Command}} {{.Status}}'
