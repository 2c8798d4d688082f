# about: lines of tasks on several nodes come in the order of their times
# hosts: 2
swarm_of 2 1
docker service create -d -q --mode global --restart-condition none --name tick busybox sh -c 'for i in 1 2 3 4 5; do echo $i; sleep 0.2; done'
until_ok 30 'both have said all' '[ "$(docker service ps tick --format "{{.CurrentState}}" | grep -c ^Complete)" = 2 ]'
try docker service logs --raw -t tick >lines
run sh -c 'wc -l <lines'
# Docker's come node after node.
ordered() { [ "$TARGET" != gam ] || sort -c lines; }
if ordered; then run echo in order; else run cat lines; fi
