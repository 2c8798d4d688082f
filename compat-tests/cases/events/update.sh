# about: the states of a rolling update are told
# hosts: 1
swarm_init
export T0
make_service web --update-monitor 1ms --rollback-monitor 1ms
until_ok 30 'the task runs' running web 1
T0=$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)
quiet docker service update -d --env-add A=1 web >/dev/null
until_ok 30 'the update is complete' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
past() { run sh -c "docker events --since \$T0 --until \$(date -u +%Y-%m-%dT%H:%M:%S.%NZ) $*"; }
until_ok 10 'the update is told' '[ "$(past --filter type=service | grep -c updatestate.new=completed)" = 1 ]'
past --filter type=service --format "'{{.Action}} {{json .Actor.Attributes}}'"
