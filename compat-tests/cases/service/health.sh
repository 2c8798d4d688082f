# about: health check flags in the spec; starting, healthy and running
# hosts: 1
swarm_init
docker service create -d --name web --stop-signal KILL --health-cmd 'test -e /tmp' --health-interval 200ms --health-timeout 2s --health-retries 2 \
  --health-start-period 5s --health-start-interval 100ms busybox sleep 100000
docker service create -d --name none --replicas 0 --no-healthcheck busybox
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Healthcheck}}'
docker service inspect none --format '{{json .Spec.TaskTemplate.ContainerSpec.Healthcheck}}'
until_ok 30 'the task runs' running web 1
engine docker ps --format '{{.Names}} {{.Status}}'
docker service update -d --health-cmd 'false' --health-interval 50ms --health-retries 1 --health-start-period 0s --health-start-interval 0s --restart-condition none web
until_ok 30 'unhealthy, it failed' '[ -n "$(docker service ps --format "{{.Error}}" web)" ]'
docker service ps web --filter name=web.1 --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service create -d --name x --no-healthcheck --health-cmd true busybox
docker service create -d --name x --health-interval soon busybox
docker service create -d --name x --health-interval 1us busybox
docker service create -d --name x --health-retries -1 busybox
docker service ls --format '{{.Name}}'
