# about: the disk usage of a container on a swarm network knows the network by the id that users know
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable net >/dev/null
quiet docker run -d --name alpha --stop-signal KILL --network net busybox sleep 100000 >/dev/null
docker network inspect net --format '{{.ID}}'
cat >usage <<'END'
curl -s --unix-socket ${DOCKER_HOST#unix://} "http://docker$1" | grep -o '"NetworkID":"[^"]*"'
END
run sh usage /system/df
run sh usage '/v1.44/system/df?type=container'
