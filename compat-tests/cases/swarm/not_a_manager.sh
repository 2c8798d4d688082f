# about: every endpoint of swarm mode on a node without a swarm
# hosts: 1
for path in /swarm /swarm/unlockkey /nodes /nodes/x /services /services/x /services/x/logs?stdout=1 /tasks /tasks/x \
  /tasks/x/logs?stdout=1 /secrets /secrets/x /configs /configs/x; do
  api GET "$path"
done
api POST /swarm/update?version=1 '{}'
api POST /swarm/unlock '{"UnlockKey":"x"}'
api POST /swarm/leave
api POST /swarm/leave?force=1
api POST /nodes/x/update?version=1 '{}'
api DELETE /nodes/x
api POST /services/create '{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
api POST /services/x/update?version=1 '{}'
api DELETE /services/x
api POST /secrets/create '{"Name":"x","Data":"aGk="}'
api POST /secrets/x/update?version=1 '{}'
api DELETE /secrets/x
api POST /configs/create '{"Name":"x","Data":"aGk="}'
api DELETE /configs/x
api POST /networks/create '{"Name":"x","Driver":"overlay"}'
api -i HEAD /_ping
