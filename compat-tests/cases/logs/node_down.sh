# about: logs of a service with a host down: what the others said, and a word of what is missing
# hosts: 2
swarm_of 2 1
quiet docker service create -d -q --name each --mode global --restart-condition none busybox echo hello >/dev/null
until_ok 30 'both are complete' '[ "$(docker service ps each --format "{{.CurrentState}}" | grep -c ^Complete)" = 2 ]'
run sh -c 'docker service logs --raw each | sort'
lab off 2
until_ok 40 'host 2 is down' state host2 down
# Docker waits for it for a while, and says then that it "disconnected unexpectedly".
said() { run sh -c 'timeout -s KILL 5 docker service logs --raw each 2>&1' | grep -q 'could not be retrieved'; }
until_ok 90 'the stream says what is missing' said
run sh -c 'docker service logs --raw each 2>/dev/null'
run sh -c 'docker service logs --raw each 2>&1 >/dev/null | sed "s/node [a-z0-9]* .*/node NODE/"'
task=$(try docker service ps each --filter node=host2 -q --no-trunc)
run sh -c "docker service logs --raw $task 2>&1 | sed 's/node [a-z0-9]* .*/node NODE/'"
lab on 2
until_ok 40 'it is back' ready 2
