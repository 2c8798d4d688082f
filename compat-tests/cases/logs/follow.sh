# about: followed logs show what is said later, and what tasks say that came later
# hosts: 1
swarm_init
quiet docker service create -d --name web --stop-signal KILL --mount type=volume,source=vol,target=/v busybox sh -c 'echo first; until [ -e /v/go ]; do sleep 0.1; done; echo second; exec sleep 100000' >/dev/null
until_ok 30 'the task runs' running web 1
lines() { [ "$(wc -l <said)" = "$1" ]; }
LC_ALL=C DOCKER_HOST=unix://$LAB_DIR/h1/api.sock command docker service logs -f --raw web >said & follower=$!
until_ok 10 'the first line is there' lines 1
quiet engine docker run --rm -v vol:/v busybox touch /v/go
until_ok 10 'the second line is there' lines 2
run cat said
docker service scale -d web=2
until_ok 30 'the new task has said both' lines 4
run cat said
kill $follower
