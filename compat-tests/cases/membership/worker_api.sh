# about: the socket of a worker: status, body and headers of what only a manager serves
# hosts: 2
swarm_of 2 1
for path in /swarm /swarm/unlockkey /nodes /nodes/x /services /services/x /services/x/logs?stdout=1 /tasks /tasks/x /tasks/x/logs?stdout=1 /secrets /secrets/x /configs /configs/x; do
  on 2 api GET "$path"
done
on 2 api -i GET /_ping
on 2 api -i GET /nodes
on 2 api POST /swarm/update?version=1 '{}'
on 2 api POST /swarm/unlock '{"UnlockKey":"x"}'
on 2 api POST /services/create '{}'
on 2 api POST /services/create '{"TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
on 2 api POST /services/x/update?version=1 '{}'
on 2 api POST /services/x/update '{}'
on 2 api DELETE /services/x
on 2 api POST /nodes/x/update?version=1 '{}'
on 2 api DELETE /nodes/x
on 2 api POST /secrets/create '{"Name":"x"}'
on 2 api POST /configs/create '{"Name":"x"}'
on 2 api DELETE /secrets/x
on 2 api POST /networks/create '{"Name":"x","Driver":"overlay"}'
on 2 api POST /networks/create '{"Name":"x","Scope":"swarm"}'
on 2 api POST /swarm/init '{}'
on 2 api POST /swarm/init '{"ListenAddr":"0.0.0.0:2377"}'
on 2 api GET /info
