# about: a port published in host mode is reached on the node and shown in the lists
# hosts: 1
swarm_init
docker service create -d --name web --stop-signal KILL --publish mode=host,published=8081,target=80 busybox sh -c 'echo hello >/tmp/index.html; httpd -f -p 80 -h /tmp'
until_ok 30 'the task runs' running web 1
until_ok 10 'it answers' run curl -s "http://$H1:8081/"
run curl -s "http://$H1:8081/"
docker service ls
docker service ps web
docker service inspect web --format '{{json .Spec.EndpointSpec}} {{json .Endpoint}}'
engine docker ps --format '{{.Names}} {{.Ports}}'
make_service rival --publish mode=host,published=8081,target=80
until_ok 10 'the scheduler has said why' '[ -n "$(docker service ps --format "{{.Error}}" rival)" ]'
docker service ps rival --no-trunc --format '{{.Name}} {{.CurrentState}} {{.Error}}'
