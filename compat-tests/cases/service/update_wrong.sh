# about: updates that are refused
# hosts: 1
swarm_init
make_service web --replicas 0
docker service update -d nope
docker service update
docker service update -d web web
docker service update -d --no-such-flag web
docker service update -d --replicas -1 web
docker service update -d --image 'a b' web
docker service update -d --env-add '' web
docker service update -d --mount-add type=odd,target=/x web
docker service update -d --network-add nope web
docker service update -d --network-rm nope web
docker service update -d --publish-rm odd web
docker service update -d --secret-add nope web
docker service update -d --host-add x web
docker service update -d --rollback web
docker service update -d --rollback --image busybox web
docker service update -d --label-rm nothere --env-rm NOTHERE --constraint-rm 'a==b' --mount-rm /nothere web
docker service rollback -d web
docker service rollback -d nope
docker service rollback
docker service rollback a b
docker service inspect web --format '{{json .Spec}} {{json .PreviousSpec}}'
