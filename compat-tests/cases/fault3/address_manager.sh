# about: a manager that is down while its host gets another address is the same node when it is back
# hosts: 3
swarm_init
token=$(try docker swarm join-token -q manager)
# The one's address comes from its interface, the other's is the one on the way to host 1.
quiet on 2 docker swarm join --advertise-addr eth0 --token "$token" "$H1:2377" >/dev/null
quiet on 3 docker swarm join --token "$token" "$H1:2377" >/dev/null
until_ok 30 'three managers' reachable 3
until_ok 30 'three nodes are ready' ready 3
docker node inspect host2 host3 --format '{{.ID}} {{.Description.Hostname}}'
# Until then the leader has only the old address, and its last word may not be old enough to miss it.
moved() { [ "$(try docker node inspect host$1 --format '{{.ManagerStatus.Addr}}')" = "$(addr $1$1):2377" ]; }
addresses() { [ "$(try docker node inspect host2 host3 --format '{{.Status.Addr}} {{.ManagerStatus.Addr}}')" = "$1" ]; }
for k in 2 3; do
  daemon stop $k
  make_service during$k --replicas 0
  # In Docker a manager whose address has changed never comes back.
  if [ "$TARGET" = gam ]; then "$LAB" readdress $k $k$k || _stop; fi
  daemon start $k
  if [ "$TARGET" = gam ]; then until_ok 60 'its new address is known' moved $k; fi
  until_ok 90 'three managers' reachable 3
  until_ok 60 'three nodes are ready' ready 3
done
if [ "$TARGET" = gam ]; then
  until_ok 30 'the new addresses are known' addresses "$(addr 22) $(addr 22):2377
$(addr 33) $(addr 33):2377"
fi
docker node inspect host2 host3 --format '{{.ID}} {{.Description.Hostname}}'
for k in 2 3; do
  until_ok 60 'it serves' on $k docker node ls
  quiet on $k docker service create -d -q --name after$k --replicas 0 busybox >/dev/null
done
# They can do without host 1, too.
daemon kill 1
until_ok 60 'they go on' '[ "$(on 2 docker node ls --format "{{.ManagerStatus}}" | grep -c -e Leader -e Reachable)" = 2 ]'
on 3 docker service ls
daemon start 1
