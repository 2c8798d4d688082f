# about: a port that another process of one host has is left to it there, works on the other, and comes back when it is free
# hosts: 2
swarm_of 2 1
quiet run sh -c 'nohup busybox nc -ll -p 8080 -e echo stranger >/dev/null 2>&1 & echo $! >/run/nc.pid'
docker service create -d -q --stop-signal KILL --name web --publish 8080:80 --publish 8081:80 busybox sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
until_ok 30 'the task runs' running web 1
ask() { "$LAB" switch curl -s -m 2 "http://$(addr $1):$2/"; }
if [ "$TARGET" = gam ]; then
  until_ok 20 'the other host publishes it' '[ "$(ask 2 8080)" = hello ]'
  until_ok 10 'the first host the other port' '[ "$(ask 1 8081)" = hello ]'
  until_ok 5 'the stranger is left alone' '"$LAB" switch busybox nc -w 2 $H1 8080 </dev/null | grep -q stranger'
  until_ok 5 'which is said' 'grep -q "another process has it" "$LAB_DIR/h1/gam.log"'
  try run sh -c 'kill $(cat /run/nc.pid)' >/dev/null
  until_ok 10 'it is free' '[ "$(ask 1 8080)" = hello ]'
else
  try run sh -c 'kill $(cat /run/nc.pid)' >/dev/null
fi 2>/dev/null
docker service ls --format '{{.Name}} {{.Ports}}'
docker service rm web
