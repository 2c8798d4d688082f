# about: images: a tag that is not there, a bad reference, and none
# hosts: 1
swarm_init
docker service create -d --name web --restart-condition none --stop-signal KILL busybox:nope sleep 100000
until_ok 30 'the task is rejected' '[ "$(docker service ps --format "{{.CurrentState}}" web | cut -d" " -f1)" = Rejected ]'
docker service ps web
docker service ps web --no-trunc --format '{{.Name}} {{.Image}} {{.Node}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls
engine docker ps -aq
docker service create -d --name bad 'busybox:no such'
docker service create -d --name bad UPPER
docker service create -d --name bad ''
docker service create -d --name bad 'busybox@sha256:short'
new() { api POST /services/create "{\"Name\":\"x\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"$1\"}}}"; }
new ''
new 'busybox:no such'
new UPPER
docker service update -d --image '' web
docker service update -d --image busybox web
until_ok 30 'with an image, it runs' running web 1
