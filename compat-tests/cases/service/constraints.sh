# about: constraints that hold, that do not, and one that comes to hold
# hosts: 1
swarm_init
make_service good --constraint node.role==manager --constraint 'node.hostname != nobody'
make_service bad --constraint node.labels.disk==ssd
until_ok 30 'the one that may, runs' running good 1
until_ok 10 'the scheduler has said why' '[ -n "$(docker service ps --format "{{.Error}}" bad)" ]'
docker service ps bad
docker service ps bad --no-trunc --format '{{.Name}} [{{.Node}}] {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls --format '{{.Name}} {{.Replicas}}'
docker service inspect good --format '{{json .Spec.TaskTemplate.Placement}}'
docker service inspect --pretty bad
api GET '/tasks?filters={"service":["bad"]}'
quiet docker node update --label-add disk=ssd host1 >/dev/null
until_ok 30 'now it may run' running bad 1
docker service ps bad
