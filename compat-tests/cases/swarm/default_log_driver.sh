# about: the swarm's log driver for tasks of services without one; tasks that are there keep theirs
# hosts: 1
swarm_init
set_driver() { # set_driver DRIVER
  api POST "/swarm/update?version=$(try api GET /swarm | pick Version.Index)" "{\"Name\":\"default\",\"TaskDefaults\":{\"LogDriver\":$1}}"
}
log_of() { engine docker inspect "$(container 1 "$1")" --format '{{json .HostConfig.LogConfig}}'; }
make_service before
until_ok 30 'it runs' running before 1
set_driver '{"Name":"local","Options":{"max-size":"2m"}}'
docker swarm ca -q >/dev/null
try api GET /swarm >whole
run sh -c 'grep -o "\"TaskDefaults\":{[^}]*}" whole'
make_service own --log-driver json-file --log-opt max-size=3m
make_service none
until_ok 30 'one runs' running own 1
until_ok 30 'the other runs' running none 1
for name in before own none; do log_of $name; done
docker service inspect none --format '{{json .Spec.TaskTemplate.LogDriver}}'
set_driver null
make_service after
until_ok 30 'it runs' running after 1
log_of after
log_of none
set_driver '{"Name":7}'
