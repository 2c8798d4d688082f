# about: a published port answers on the host itself, on 127.0.0.1 and over IPv6, to containers, to the service's own task, on every host
# hosts: 3
swarm_of 3 1
web='mkdir -p /tmp/www/cgi-bin; printf "#!/bin/sh\necho; echo \$REMOTE_ADDR \$(hostname)\n" >/tmp/www/cgi-bin/who; chmod +x /tmp/www/cgi-bin/who; exec httpd -f -p 80 -h /tmp/www'
docker service create -d -q --stop-signal KILL --name web --constraint node.hostname==host2 --publish 8080:80 busybox sh -c "$web"
until_ok 30 'the task runs' running web 1
task=$(container 2 web)
ask() { on $1 run curl -s -g -m 2 "http://$2:8080/cgi-bin/who" | grep -q "${task:0:12}"; }
inside() { try on $1 engine docker exec $2 sh -c "printf 'GET /cgi-bin/who HTTP/1.0\r\n\r\n' | nc -w 2 $3 8080" | grep -q "${task:0:12}"; }
if [ "$TARGET" = gam ]; then
  for k in 1 2 3; do
    quiet on $k docker run -d --name c$k --stop-signal KILL busybox sleep 100000 >/dev/null
    until_ok 20 "127.0.0.1 on host $k" ask $k 127.0.0.1
    until_ok 5 "its address" ask $k "$(addr $k)"
    until_ok 5 "another host's address" ask $k "$(addr $((k % 3 + 1)))"
    until_ok 5 "IPv6" ask $k '[::1]'
    until_ok 5 "a container, the host's address" inside $k c$k "$(addr $k)"
    until_ok 5 "a container, another host's address" inside $k c$k "$(addr $((k % 3 + 1)))"
    until_ok 5 "the task itself, through host $k" inside 2 "$task" "$(addr $k)"
    try on $k docker rm -f c$k >/dev/null
  done
fi 2>/dev/null
docker service ls
docker service rm web
until_ok 20 'the container is gone' on 2 containers web 0
