# about: a stack's images are looked up always, when they changed, or never; a registry that is not there is a warning
# hosts: 1
swarm_init
printf 'services:\n  web: {image: "busybox:1", command: sleep 100000, stop_signal: SIGKILL}\n' >one.yml
printf 'services:\n  web: {image: "busybox:2", command: sleep 100000, stop_signal: SIGKILL}\n' >two.yml
docker stack deploy --resolve-image never -c one.yml app
until_ok 40 'it runs' running app_web 1
docker stack deploy --resolve-image changed -c one.yml app
docker stack deploy --resolve-image changed -c two.yml app
docker service inspect app_web --format '{{.Spec.TaskTemplate.ContainerSpec.Image}} {{index .Spec.Labels "com.docker.stack.image"}}'
docker stack deploy --resolve-image always -c two.yml app
docker stack deploy -c one.yml app
docker stack deploy --resolve-image sometimes -c one.yml app
until_ok 40 'it runs' running app_web 1
docker stack rm app
