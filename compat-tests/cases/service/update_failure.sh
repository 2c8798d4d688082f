# about: an update to an image that is not there pauses, and rolls back when told to
# hosts: 1
swarm_init
state() { [ "$(try docker service inspect web --format '{{.UpdateStatus.State}}')" = "$1" ]; }
make_service web --update-monitor 2s --restart-condition none --update-failure-action pause
until_ok 30 'the task runs' running web 1
docker service update -d --image busybox:nope web
until_ok 30 'the update is paused' state paused
docker service inspect web --format '{{.UpdateStatus.State}} {{.UpdateStatus.Message}} {{.UpdateStatus.CompletedAt}}'
docker service ps web
docker service update -d --image busybox:1 --update-failure-action rollback --update-monitor 500ms web
until_ok 30 'the update is complete' state completed
docker service update -d --image busybox:nope web
until_ok 30 'it has rolled back' state rollback_completed
docker service inspect web --format '{{.Spec.TaskTemplate.ContainerSpec.Image}} {{.UpdateStatus.Message}}'
until_ok 30 'it runs again' running web 1
docker service ls
