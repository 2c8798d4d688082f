# about: rules that somebody else flushes, in a container or on the host, are back within 5 s
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
quiet docker service create -d -q --stop-signal KILL --name web --network net --mode global busybox nc -ll -p 80 -e hostname >/dev/null
until_ok 30 'two tasks run' running web 2
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
docker service ls --format '{{.Name}} {{.Mode}}'
if [ "$TARGET" = gam ]; then
  ask() { for _ in 1 2 3 4 5 6 7 8; do try engine docker exec own nc -w 2 web 80 || echo failed; done | sort -u; }
  both() { [ "$(ask | grep -vc failed)" = 2 ] && ! ask | grep -q failed; }
  inside() { quiet run nsenter --net="/proc/$(try engine docker inspect own --format '{{.State.Pid}}')/ns/net" nft "$@" >/dev/null; }
  until_ok 20 'both tasks answer' both
  inside flush ruleset
  until_ok 5 'both tasks answer after a flush in the container' both
  inside delete table inet gam
  until_ok 5 'both answer after the table was removed' both
  inside flush map inet gam v4
  until_ok 5 'both answer after one map was flushed' both
  guarded() { try run nft list table inet gam-guard | grep -q "saddr $H2 return" && try run nft list table bridge gam-guard | grep -q veth; }
  until_ok 5 'the host is guarded' guarded
  until_ok 1 'and it is known to be' '! grep "keep strangers out" "$LAB_DIR/h1/gam.log"'
  quiet run nft flush ruleset
  until_ok 5 'the host is guarded after a flush' guarded
  quiet run nft flush chain bridge gam-guard plug-0
  until_ok 5 'and after one chain was flushed' '[ "$(try run nft list chain bridge gam-guard plug-0 | grep -c drop)" -ge 3 ]'
  until_ok 5 'both answer' both
fi
docker rm -f own
docker service rm web
until_ok 30 'the network is free' docker network rm net
if [ "$TARGET" = gam ]; then
  # dockerd makes rules of its own anew only when it starts.
  "$LAB" term 1 >&2
  "$LAB" start 1 >&2
  until_ok 10 'nothing is left' '! try run nft list tables | grep -q gam-guard'
fi
