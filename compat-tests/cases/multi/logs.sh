# about: logs of tasks on two hosts, from either manager
# hosts: 2
swarm_of 2 2
docker service create -d -q --name each --mode global --restart-condition none busybox echo hello
until_ok 30 'both are complete' '[ "$(docker service ps each --format "{{.CurrentState}}" | grep -c ^Complete)" = 2 ]'
sorted docker service logs --raw each
on 2 sorted docker service logs --raw each
# In which order the two nodes' lines come, their times say.
run sh -c 'docker service logs each 2>/dev/null | sort -t @ -k 2'
task=$(try docker service ps each --filter node=host2 -q --no-trunc)
docker service logs --raw "$task"
on 2 docker service logs --raw "$task"
docker service logs nope
