# about: configs and secrets whose template cannot be expanded, and drivers of templates that do not exist
# hosts: 1
swarm_init
run sh -c 'printf "{{ .Nope }}" >nope; printf "{{ config \"x\" }}" >none; printf a >a'
docker config create --template-driver golang nope nope
docker config create --template-driver golang none none
docker config create --template-driver other other a
docker secret create --template-driver other other a
for name in nope none other; do
  quiet docker service create -d --name $name --restart-condition none --config $name busybox true
  until_ok 30 'it failed' '[ "$(docker service ps -q --filter desired-state=shutdown '$name' | wc -l)" = 1 ]'
  docker service ps $name --no-trunc --format '{{.Error}}'
done
docker service create -d --name secret --restart-condition none --secret other busybox true
until_ok 30 'it failed' '[ "$(docker service ps -q --filter desired-state=shutdown secret | wc -l)" = 1 ]'
docker service ps secret --no-trunc --format '{{.Error}}'
