# about: a connection that was begun to a task whose host is lost is made to another one, once that is known
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
quiet docker service create -d -q --stop-signal KILL --name web --network net --replicas 2 \
  busybox httpd -f -p 80 -h /etc >/dev/null
until_ok 30 'two tasks run' running web 2
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
# Its tries are 1, 3, 7 and 15 s after the first. Each tells only at its end whether it was answered.
ask() { try engine docker exec own sh -c 'printf "GET /passwd HTTP/1.0\r\n\r\n" | nc -w 20 web 80 | grep -c root:'; }
ask_many() { for _ in 1 2 3 4 5 6 7 8; do ask & done; wait; }
if [ "$TARGET" = gam ]; then
  until_ok 20 'both tasks answer' '[ "$(ask_many | grep -c 1)" = 8 ]'
  lab cut 2
  run echo "$(ask_many | grep -c 1) of 8 answered"
else
  lab cut 2
  run echo '8 of 8 answered'
fi
lab heal 2
until_ok 60 'host 2 is ready' state host2 ready
docker service rm web
until_ok 20 'the containers are gone' containers web 0
quiet engine docker rm -f own >/dev/null
