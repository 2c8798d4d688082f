# about: a node is cut off in the middle of a job, and comes back: as many completions as were asked for
# hosts: 3
swarm_of 3 1
replicas() { [ "$(docker service ls --filter name=$1 --format '{{.Replicas}}')" = "$2" ]; }
quiet docker service create -d -q --name job --mode replicated-job --replicas 6 --restart-delay 100ms --stop-signal KILL busybox sleep 12 >/dev/null
quiet docker service create -d -q --name each --mode global-job --restart-delay 100ms --stop-signal KILL busybox sleep 12 >/dev/null
until_ok 60 'all run' replicas job '6/6 (0/6 completed)'
until_ok 60 'one runs on every node' replicas each '3/3 (0/3 completed)'
lab cut 3
# In Docker what a lost node had is waited for, for a day.
if [ "$TARGET" = gam ]; then until_ok 30 'it is lost' state host3 down; fi
lab heal 3
until_ok 60 'all nodes are ready' ready 3
until_ok 90 'all are complete' replicas job '0/6 (6/6 completed)'
until_ok 90 'on every node' replicas each '0/0 (3/3 completed)'
docker service ls
