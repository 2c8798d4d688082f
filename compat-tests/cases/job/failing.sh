# about: a task of a job that fails is tried again, or not; what is told of it
# hosts: 1
swarm_init
docker service create -d --name tries --mode replicated-job --restart-delay 100ms --restart-max-attempts 2 busybox false
docker service create -d --name once --mode replicated-job --restart-condition none busybox sh -c 'exit 3'
failed() { [ "$(docker service ps "$1" --format '{{.CurrentState}}' | grep -c ^Failed)" = "$2" ]; }
until_ok 40 'it was tried three times' failed tries 3
until_ok 40 'it was tried once' failed once 1
sorted docker service ps tries --format '{{.DesiredState}} {{.Error}}'
docker service ps once --format '{{.DesiredState}} {{.Error}}'
docker service ls
docker service inspect tries --format '{{json .Spec.TaskTemplate.RestartPolicy}}'
