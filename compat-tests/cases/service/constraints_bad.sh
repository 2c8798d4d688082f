# about: constraints and preferences that cannot be read
# hosts: 1
swarm_init
docker service create -d --name x --constraint node.role busybox
docker service create -d --name x --constraint node.role=manager busybox
docker service create -d --name x --constraint 'node.role==two words' busybox
docker service create -d --name x --constraint '==x' busybox
docker service create -d --name x --constraint 'node.role==' busybox
docker service create -d --name x --constraint 'a b==c' busybox
docker service create -d --name odd --constraint node.odd==x busybox sleep 1
docker service create -d --name x --placement-pref odd busybox
docker service create -d --name x --placement-pref odd=node.labels.x busybox
docker service create -d --name x --replicas-max-per-node -1 busybox
docker service update -d --constraint-add node.role odd
docker service update -d --constraint-add nope odd
docker service inspect odd --format '{{json .Spec.TaskTemplate.Placement}}'
docker service ls --format '{{.Name}} {{.Replicas}}'
