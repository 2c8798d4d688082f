# about: a part of a manager's state that is not there is missed at the start; once it is back, so is all
# hosts: 1
swarm_init
make_service web
until_ok 30 'web runs' running web 1
if [ "$TARGET" = gam ]; then
  daemon() { "$LAB" "gam-$1" 1 || _stop; }
  state=$LAB_DIR/h1/gam log=$LAB_DIR/h1/gam.log
  misses() { # misses PART SENTENCE: a start without it ends, says why, and touches nothing
    daemon stop
    try run mv "$state/$1" "$state/elsewhere"
    if "$LAB" gam-start 1 2>/dev/null; then run echo "it started without $1"; fi
    grep -q "$2" "$log" || run echo "it did not say: $2"
    try run mv "$state/elsewhere" "$state/$1"
    daemon start
    until_ok 10 'web runs on' running web 1
  }
  misses raft "the swarm's state, .*, is missing: is its file system mounted?"
  misses raft/raft.redb "the swarm's state, .*, is missing: is its file system mounted?"
  misses node.json 'node.json is missing, but the state of a swarm is there'
fi
until_ok 30 'web runs' running web 1
docker service ls
engine docker ps --format '{{.Image}}'
