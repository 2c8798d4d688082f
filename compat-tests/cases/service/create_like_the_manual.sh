# about: create -td with two replicas on an attachable overlay network, then scale to three
# hosts: 1
swarm_init
docker network create -d overlay --attachable busybox_overlay_network
docker service create -td --name busybox_service --stop-signal KILL --network busybox_overlay_network --replicas=2 busybox
until_ok 30 'two tasks run' running busybox_service 2
docker service ls
docker service ps busybox_service
docker service scale -d busybox_service=3
until_ok 30 'three tasks run' running busybox_service 3
docker service ps busybox_service
engine sorted docker ps --format '{{.Names}} {{.Image}} {{.Command}} {{.Status}}'
docker service inspect busybox_service --format '{{json .Spec.TaskTemplate}} {{json .Spec.Mode}}'
