# about: what jobs are refused
# hosts: 1
swarm_init
docker service create -d --name job --mode replicated-job --update-delay 1s busybox true
docker service create -d --name job --mode replicated-job --max-concurrent 0 busybox true
docker service create -d --name jobb --mode replicated-job --replicas 0 busybox true
docker service create -d --name joba --mode replicated-job --restart-condition any busybox true
docker service create -d --name jobc --mode global-job --replicas 2 busybox true
docker service create -d --name jobc --mode global-job --max-concurrent 2 busybox true
docker service create -d --name jobc --mode replicated --max-concurrent 2 busybox true
docker service create -d --name jobc --mode odd busybox true
docker service create -d --name jobc --mode global-job --update-parallelism 2 busybox true
api POST /services/create '{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"ReplicatedJob":{}},"UpdateConfig":{}}'
api POST /services/create '{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"GlobalJob":{}},"UpdateConfig":{"Parallelism":1}}'
api POST /services/create '{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"ReplicatedJob":{},"GlobalJob":{}}}'
api POST /services/create '{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"ReplicatedJob":{"MaxConcurrent":-1}}}'
api POST /services/create '{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"ReplicatedJob":{"MaxConcurrent":9999999999999999999}}}'
api POST /services/create '{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"ReplicatedJob":{"MaxConcurrent":1,"TotalCompletions":9999999999999999999}}}'
docker service create -d --name glob --mode global-job busybox true
docker service scale -d glob=2
docker service update -d --update-delay 1s glob
docker service update -d --replicas 2 glob
docker service update -d --max-concurrent 2 glob
docker service rollback -d glob
make_service web
docker service update -d --max-concurrent 2 web
quiet docker service rm glob web joba >/dev/null
until_ok 30 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
