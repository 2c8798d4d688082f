# about: a service goes over to another secret of the same target
# hosts: 1
swarm_init
run sh -c 'printf old >old; printf new >new'
quiet docker secret create v1 old >/dev/null
quiet docker secret create v2 new >/dev/null
make_service web --secret source=v1,target=key
until_ok 40 'the task runs' running web 1
engine docker exec $(container 1 web) cat /run/secrets/key
docker service update -d --secret-rm v1 --secret-add source=v2,target=key web
reads() { [ "$(try engine docker exec "$(container 1 web)" cat /run/secrets/key)" = "$1" ]; }
until_ok 40 'the new task reads the new one' reads new
until_ok 40 'the old task is gone' containers web 1
docker secret rm v2
docker secret rm v1
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}'
docker service update -d --secret-rm v2 web
has_none() { try engine docker exec "$(container 1 web)" true && ! reads new; }
until_ok 40 'the task has none' has_none
docker secret rm v2
