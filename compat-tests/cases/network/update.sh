# about: a service is given a network and loses it: the containers follow
# hosts: 1
swarm_init
quiet docker network create -d overlay net >/dev/null
make_service web --endpoint-mode dnsrr --update-monitor 1ms
until_ok 30 'the task runs' running web 1
done_with() { [ "$(try docker service inspect web --format '{{.UpdateStatus.State}} {{len .Spec.TaskTemplate.Networks}}')" = "completed $1" ] && containers web 1; }
names() { engine docker inspect "$(try engine docker ps -q)" --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}'; }
names
docker service update -d --network-add net web
until_ok 30 'it has the network' done_with 1
names
docker service update -d --network-rm net web
until_ok 30 'it has it no more' done_with 0
names
docker network rm net
