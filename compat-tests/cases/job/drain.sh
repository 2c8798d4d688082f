# about: constraints of jobs, a node without room for one, and nodes that are drained after a job has ended
# hosts: 2
swarm_of 2 1
replicas() { [ "$(docker service ls --filter name=$1 --format '{{.Replicas}}')" = "$2" ]; }
docker service create -d --name here --mode global-job --constraint node.hostname==host2 busybox true
until_ok 60 'it is complete there' replicas here '0/0 (1/1 completed)'
docker service ps here --format '{{.Node}} {{.DesiredState}}'
docker service create -d --name three --mode replicated-job --replicas 3 --constraint node.role==worker busybox true
until_ok 60 'three are complete' replicas three '0/3 (3/3 completed)'
docker service ps three --format '{{.Node}} {{.DesiredState}}'
docker node update --availability drain host2
docker service create -d --name nowhere --mode replicated-job --constraint node.role==worker busybox true
until_ok 30 'it waits' '[ -n "$(docker service ps nowhere --no-trunc --format "{{.Error}}")" ]'
docker service ps nowhere --no-trunc --format '{{.DesiredState}} {{.Error}}'
docker service ls
docker node update --availability active host2
until_ok 60 'it is complete now' replicas nowhere '0/1 (1/1 completed)'
docker service ls
