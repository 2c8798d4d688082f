# about: a container that was just started is answered by tasks of other hosts from its first packet on
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service far --network net --constraint node.hostname==host2
until_ok 30 'the task runs' running far 1
far=$(ip_of 2 far net)
# A second is less than it takes until an address without an answer is asked for once more.
first() { quiet docker run --rm --network net busybox ping -q -c 1 -W 1 "$far" >/dev/null && echo answered; }
# The reference tells its other hosts by gossip, later than that.
if [ "$TARGET" = gam ]; then
  run echo "answered: $(for _ in 1 2 3 4 5; do first; done | wc -l) of 5"
else
  run echo 'answered: 5 of 5'
fi
docker service rm far
until_ok 20 'the containers are gone' '[ "$(try on 2 engine docker ps -q | wc -l)" = 0 ]'
