# about: a global service: its task's name, its listing, and what cannot be done with it
# hosts: 1
swarm_init
make_service agent --mode global --label x=y
until_ok 30 'the task runs' running agent 1
docker service ls
docker service ps agent
docker service ps agent --no-trunc --format '{{.Name}}'
docker service inspect agent --format '{{json .Spec.Mode}}'
docker service inspect --pretty agent
engine docker ps --format '{{.Names}}'
docker service scale agent=2
docker service update --replicas 2 agent
docker service create -d --name x --mode global --replicas 2 busybox
docker service create -d --name x --mode odd busybox
quiet docker node update --availability drain host1 >/dev/null
until_ok 30 'drained, it has no task' '[ "$(docker service ls --format "{{.Replicas}}")" = 0/0 ]'
docker service ls --format '{{.Name}} {{.Mode}} {{.Replicas}}'
quiet docker node update --availability active host1 >/dev/null
until_ok 30 'the task runs again' running agent 1
