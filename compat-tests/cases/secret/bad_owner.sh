# about: an owner that is no number is the task's failure
# hosts: 1
swarm_init
run sh -c 'printf one >one'
quiet docker secret create s one >/dev/null
make_service web --restart-condition none --secret source=s,target=x,uid=root
ended() { try docker service ps --format '{{.CurrentState}}' web | grep -qE 'Failed|Rejected'; }
until_ok 40 'it failed' ended
docker service ps --no-trunc --format '{{.DesiredState}} {{.Error}}' web
