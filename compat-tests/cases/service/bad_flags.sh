# about: flags that the CLI cannot read
# hosts: 1
swarm_init
n=0
new() { n=$((n + 1)); docker service create -d --replicas 0 --name "s$n" "$@" busybox; }
docker service create
new --no-such-flag
new --replicas -1
new --replicas many
new --replicas 99999999999999999999
new --restart-condition perhaps
new --restart-delay soon
new --restart-max-attempts -1
new --stop-grace-period soon
new --update-delay soon
new --update-parallelism -1
new --update-order sideways
new --update-failure-action shrug
new --update-max-failure-ratio 2
new --update-max-failure-ratio x
new --env-file nope.env
new --env ''
new --env =x
new --label ''
new --dns 1.2.3
new --host x
new --network nope
new --secret nope
new --config nope
new --isolation odd
new --ulimit nofile
new --log-opt a=b
docker service ls --format '{{.Name}} {{.Replicas}}'
