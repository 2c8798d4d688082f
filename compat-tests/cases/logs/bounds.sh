# about: odd values of since and tail: far in the future, fractions, negative, no numbers
# hosts: 1
swarm_init
quiet docker service create -d --name web --stop-signal KILL busybox sh -c 'echo one; echo two; exec sleep 100000' >/dev/null
until_ok 30 'the task runs' running web 1
until_ok 10 'all was said' '[ "$(run sh -c "docker service logs web 2>&1" | wc -l)" = 2 ]'
docker service logs --raw --since 2099-01-01T00:00:00 web
docker service logs --raw --since 2037-01-01T00:00:00 web
docker service logs --raw --since 1h web
docker service logs --raw --tail -5 web
docker service logs --raw --tail +1 web
echo 'curl -s -w "%{http_code}\n" --unix-socket ${DOCKER_HOST#unix://} "http://docker/services/web/logs?stdout=1&$1" | tr -d "\0\1\4"' >logs
read_logs() { run sh logs "$1"; }
for since in 0 -5 %2B5 1.5 1. .5 1.x abc 2147483648 9999999999 253402300799 253402300800 -62135596801 99999999999999999999; do
  read_logs "since=$since"
done
for tail in 0 1 -1 %2B1 all ALL 1.5 3000000000 99999999999999999999; do
  read_logs "tail=$tail"
done
read_logs 'since=abc&tail=-5'
