# about: a second Gam on the same dockerd is refused, and one that takes over with a state of its own removes nothing
# hosts: 1
swarm_init
make_service web
until_ok 30 'web runs' running web 1
second() { try run "$GAM_BIN" serve --host unix:///run/second.sock --engine "unix://$LAB_DIR/h1/docker.sock" --state-dir /run/second; }
in_second() { try run docker -H unix:///run/second.sock "$@"; }
leftover() {
  try engine docker run -d --name left.1 --label "com.docker.swarm.node.id=$1" --label com.docker.swarm.task.name=left.1 \
    --label com.docker.swarm.task.id=aaaaaaaaaaaaaaaaaaaaaaaaa busybox sleep 100000
}
if [ "$TARGET" = gam ]; then
  until_ok 1 'it ends with the code of an engine that cannot be used' 'second; [ $? = 3 ]'
fi
daemon stop
if [ "$TARGET" = gam ]; then
  task=$(try engine docker ps -q --no-trunc --filter label=com.docker.swarm.service.name=web)
  try run sh -c "setsid '$GAM_BIN' serve --host unix:///run/second.sock --engine 'unix://$LAB_DIR/h1/docker.sock' \
    --state-dir /run/second >/run/second.log 2>&1 & echo \$! >/run/second.pid"
  until_ok 20 'the second one serves' in_second swarm init --advertise-addr "$H1"
  until_ok 20 'it may look' leftover "$(in_second info --format '{{.Swarm.NodeID}}')"
  in_second service create -d --name other --replicas 0 busybox >/dev/null
  until_ok 40 'it has swept' '! engine docker inspect left.1'
  until_ok 1 'the task of the first is there' engine docker inspect "$task"
  in_second swarm leave --force >/dev/null
  until_ok 1 'and still there' engine docker inspect "$task"
  try run sh -c 'kill $(cat /run/second.pid)'
  until_ok 20 'the second one has ended' '! try run test -S /run/second.sock'
  try run rm -rf /run/second /run/second.pid /run/second.log
fi
daemon start
until_ok 40 'the node is ready again' '[ "$(docker node ls --format "{{.Status}} {{.ManagerStatus}}")" = "Ready Leader" ]'
until_ok 60 'web runs again' running web 1
docker service ls
