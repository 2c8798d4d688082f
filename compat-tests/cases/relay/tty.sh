# about: a terminal in a task's container on another host, and what is attached to it
# hosts: 2
swarm_of 2 1
make_service web --constraint node.hostname==host2
# It ends by itself, and what is attached with it.
quiet docker service create -d -q --name term -t --restart-condition none --constraint node.hostname==host2 --no-resolve-image \
  busybox sh -c 'for _ in $(seq 30); do echo tick; sleep 0.2; done' >/dev/null
until_ok 30 'the first task runs' running web 1
until_ok 30 'the second task runs' running term 1
if [ "$TARGET" = gam ]; then from=1; else from=2; fi   # the reference knows of its own containers only
run echo "$(try on $from docker attach --no-stdin --sig-proxy=false "$(container 2 term)" | tr -d '\r' | sort -u)"
run echo "$(tty try on $from docker exec -it "$(container 2 web)" sh -c 'test -t 0 && echo terminal; exit 4' | tr -d '\r' | sed 's|\^@||g'; echo "exit ${PIPESTATUS[0]}")"
docker service rm web term
