# about: a worker whose manager is away knows the networks of its containers also after a restart, and gives back their places later
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
quiet on 2 docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
quiet on 2 docker run -d --name left --stop-signal KILL --network net --ip 10.78.0.99 busybox sleep 100000 >/dev/null
net=$(try docker network inspect net --format '{{.Id}}')
on_net() { [ "$(try on 2 docker inspect box --format '{{.NetworkSettings.Networks.net.NetworkID}}')" = "$net" ]; }
until_ok 10 'the container is on the network' on_net
if [ "$TARGET" = gam ]; then
  "$LAB" gam-kill 1 >&2
  "$LAB" gam-kill 2 >&2
  try on 2 engine docker rm -f left
  "$LAB" gam-start 2 >&2
  until_ok 5 'it is known to be on the network of the swarm' on_net
  "$LAB" gam-start 1 >&2
  until_ok 30 'the node is ready' state host2 ready
else
  quiet on 2 docker rm -f left >/dev/null
fi
until_ok 30 'the place is free' 'try docker run --rm --network net --ip 10.78.0.99 busybox true'
docker network inspect net --format '{{.Name}} {{.Attachable}}'
on 2 docker rm -f box
until_ok 30 'the network is free' docker network rm net
