# about: update flag by flag, on a service without tasks
# hosts: 1
swarm_init
make_service web --replicas 0 --env A=1 --env B=2 --label x=1
up() { docker service update -d "$@" web; }
up --env-add B=3 --env-rm A
up --env-add B=9
up --label-add y=2 --label-rm x --container-label-add z=3
up --args 'sleep 5' --workdir /tmp --user nobody --hostname h
up --constraint-add node.role==manager --constraint-add node.hostname==host1
up --constraint-rm node.role==manager
up --limit-memory 32M --reserve-cpu .5 --limit-cpu 1
up --limit-memory 0
up --mount-add type=volume,source=v,target=/v
up --mount-rm /v
up --restart-condition on-failure --restart-delay 1s --restart-max-attempts 3 --restart-window 10s
up --update-parallelism 3 --update-delay 2s --update-order start-first --update-failure-action rollback --update-monitor 1s --update-max-failure-ratio .5
up --rollback-parallelism 0 --rollback-delay 1s --rollback-order start-first --rollback-failure-action continue --rollback-monitor 2s --rollback-max-failure-ratio .25
up --stop-grace-period 1m --log-driver json-file --log-opt max-size=1m --read-only --init --stop-signal TERM
up --cap-add NET_RAW --sysctl-add a=b --ulimit-add nproc=5 --group-add 7 --dns-add 9.9.9.9 --host-add h:1.2.3.4
docker service inspect web --format '{{json .Spec}}'
docker service inspect --pretty web
up --force
docker service inspect web --format '{{.Spec.TaskTemplate.ForceUpdate}} {{json .PreviousSpec.TaskTemplate.ForceUpdate}}'
