# about: a short answer has its length, also where a swarm network's id may have to take another one's place
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
cat >ask <<'END'
curl -s -i --raw --max-time 10 --unix-socket "${DOCKER_HOST#unix://}" "$@" | tr -d '\r' | grep -E '^(HTTP|Content-Length|Transfer-Encoding)|^[][{0-9a-f]'
END
run sh ask 'http://d/v1.51/containers/json?filters=%7B%22name%22:%5B%22nobody%22%5D%7D'
run sh ask -X POST -d x http://d/v1.51/containers/nobody/start
run sh ask -X POST http://d/v1.51/containers/nobody/start
run sh ask http://d/v1.51/containers/nobody/json
quiet docker rm -f box >/dev/null
until_ok 30 'the network is free' docker network rm net
run sh ask 'http://d/v1.51/containers/json?filters=%7B%22name%22:%5B%22nobody%22%5D%7D'
