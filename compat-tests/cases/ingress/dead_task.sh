# about: a task that died is asked no more, one that is not healthy never, and a port without tasks refuses at once
# hosts: 2
swarm_of 2 1
web='mkdir -p /tmp/www/cgi-bin; printf "#!/bin/sh\necho; echo \$REMOTE_ADDR \$(hostname)\n" >/tmp/www/cgi-bin/who; chmod +x /tmp/www/cgi-bin/who; exec httpd -f -p 80 -h /tmp/www'
docker service create -d -q --stop-signal KILL --name web --mode global --restart-condition none --publish 8080:80 busybox sh -c "$web"
docker service create -d -q --stop-signal KILL --name sick --health-cmd false --publish 8081:80 busybox sh -c "$web"
until_ok 30 'two tasks run' running web 2
seen() { for _ in $(seq 16); do "$LAB" switch curl -s -m 2 "http://$(addr $1):$2/cgi-bin/who" || echo failed; done | cut -d' ' -f2 | sort -u; }
if [ "$TARGET" = gam ]; then
  one=$(container 1 web) two=$(container 2 web)
  for k in 1 2; do until_ok 20 'both tasks answer' '[ "$(seen '$k' 8080 | wc -l)" = 2 ]'; done
  for k in 1 2; do until_ok 10 'nobody healthy is nobody' '[ "$(seen '$k' 8081)" = failed ]'; done
  until_ok 5 'which is said at once' '"$LAB" switch curl -sS -m 2 "http://$H1:8081/" 2>&1 | grep -q "after . ms"'
  until_ok 5 'also on the host' 'run sh -c "curl -sS -m 2 http://127.0.0.1:8081/ 2>&1" | grep -q "after . ms"'
  quiet on 2 engine docker kill "$two" >/dev/null
  for k in 1 2; do until_ok 10 'the other one answers alone' '[ "$(seen '$k' 8080)" = "${one:0:12}" ]'; done
  try lab off 2 2>/dev/null
  until_ok 20 'so it does when the host is off' '[ "$(seen 1 8080)" = "${one:0:12}" ]'
  try lab on 2
  quiet engine docker kill "$one" >/dev/null
  until_ok 10 'nobody is left' '[ "$(seen 1 8080)" = failed ]'
fi 2>/dev/null
docker service rm web sick
