# about: after force-new-cluster a worker keeps to the manager that went on, also while that is away and the others are back
# hosts: 4
swarm_of 4 3
make_service web --replicas 3 --constraint node.role==worker
until_ok 30 'three tasks run' on 4 containers web 3
before=$(try on 4 engine docker ps -q | sort)
daemon kill 2
daemon kill 3
until_ok 60 'there is no leader' leaderless
docker swarm init --force-new-cluster --advertise-addr "$H1" >/dev/null
until_ok 60 'the worker is there' state host4 ready
# Docker's agents ask whom they ever knew.
if [ "$TARGET" = gam ]; then
  # Until then it may as well go to one of the others, if they are back first.
  until_ok 60 'the worker knows who went on' '[ "$(on 4 docker info --format "{{len .Swarm.RemoteManagers}}")" = 1 ]'
  daemon() { "$LAB" "gam-$1" "$2" || _stop; }
  daemon start 2
  daemon start 3
  until_ok 60 'the others lead on' on 2 docker node ls
  daemon stop 1
  until_ok 30 'the worker misses its manager' '[ -n "$(on 4 docker info --format "{{.Swarm.Error}}")" ]'
  # By then the one that is left has been asked again, and the others would have been, too.
  until_ok 30 'it has asked again' '[ "$(grep -c "no session with this manager" "$LAB_DIR/h4/gam.log")" -gt 8 ]'
  daemon start 1
  until_ok 30 'the worker is there' state host4 ready
fi
until_ok 30 'three tasks run' running web 3
if [ "$before" = "$(try on 4 engine docker ps -q | sort)" ]; then run echo the same containers; else run echo other containers; fi
docker service ls
for k in 2 3; do
  if [ "$TARGET" = gam ]; then try on $k docker swarm leave --force; else "$LAB" start $k || _stop; fi
done
