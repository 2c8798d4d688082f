# about: the disk of the leader is full: another manager takes changes, and the first one is whole again when there is room
# hosts: 3
if [ "$TARGET" = gam ]; then
  state=$LAB_DIR/h1/gam
  try lab disk 1 6m
fi
swarm_of 3 3
make_service web --replicas 3
until_ok 30 'three tasks run' running web 3
if [ "$TARGET" = gam ]; then
  try run dd if=/dev/zero "of=$state/filler" bs=4k
  # Until even the room within the log's file is used up, and another one leads.
  fill() {
    try on 2 api POST /services/create "{\"Name\":\"s$((++n))\",\"Labels\":{\"much\":\"$(printf %020000d 0)\"},\"Mode\":{\"Replicated\":{\"Replicas\":0}},
      \"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}"
    [ "$(try on 2 docker node ls --format '{{.Hostname}} {{.ManagerStatus}}' | grep Leader)" != 'host1 Leader' ] &&
      try on 2 docker node ls --format '{{.ManagerStatus}}' | grep -q Leader
  }
  n=0
  until_ok 60 'another one leads' fill
fi
until_ok 20 'a write succeeds' on 2 docker service update -d --label-add a=b web
on 3 docker service scale -d web=6
until_ok 60 'six tasks run' on 2 running web 6
[ "$TARGET" = gam ] && try run rm "$state/filler"
until_ok 60 'three managers' on 2 reachable 3
until_ok 60 'the first one serves' docker service ls
docker service inspect web --format '{{json .Spec.Labels}}'
docker service ls --filter name=web
docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
if [ "$TARGET" = gam ]; then
  for k in 3 2 1; do try on $k docker swarm leave --force; done
  try lab disk 1 off
fi
