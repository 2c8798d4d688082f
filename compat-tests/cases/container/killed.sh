# about: a container that is killed, stopped or removed behind the swarm's back is replaced
# hosts: 1
swarm_init
make_service web --restart-delay 50ms
until_ok 30 'the task runs' running web 1
replaced() { # replaced ID: another container than ID runs
  local now; now=$(try engine docker ps -q --no-trunc)
  [ -n "$now" ] && [ "$now" != "$1" ] && running web 1
}
first=$(try engine docker ps -q --no-trunc)
engine docker kill "$first"
until_ok 30 'it is replaced' replaced "$first"
docker service ps web
second=$(try engine docker ps -q --no-trunc)
engine docker stop "$second"
until_ok 30 'it is replaced' replaced "$second"
third=$(try engine docker ps -q --no-trunc)
engine docker rm -f "$third"
until_ok 30 'it is replaced' replaced "$third"
docker service ps web --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'
docker service ls
engine docker ps --format '{{.Names}}'
