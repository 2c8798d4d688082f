# about: a service with the label for it sees a host instead of its clients, and changes its mind without a new task
# hosts: 2
swarm_of 2 1
web='mkdir -p /tmp/www/cgi-bin; printf "#!/bin/sh\necho; echo \$REMOTE_ADDR \$(hostname)\n" >/tmp/www/cgi-bin/who; chmod +x /tmp/www/cgi-bin/who; exec httpd -f -p 80 -h /tmp/www'
docker service create -d -q --stop-signal KILL --name web --constraint node.hostname==host2 --publish 8080:80 --label gam.ingress.masquerade=true busybox sh -c "$web"
until_ok 30 'the task runs' running web 1
docker service inspect web --format '{{json .Spec.Labels}}'
task=$(container 2 web)
seen() { "$LAB" switch curl -s -m 2 "http://$(addr $1):8080/cgi-bin/who"; }
if [ "$TARGET" = gam ]; then
  for k in 1 2; do until_ok 20 "a host is seen behind host $k" 'seen '$k' | grep -q "10.0.0.1\] '${task:0:12}'"'; done
  quiet docker service update -d --label-rm gam.ingress.masquerade web >/dev/null
  for k in 1 2; do until_ok 10 "the client is seen behind host $k" 'seen '$k' | grep -q "$(addr 254)\] '${task:0:12}'"'; done
fi 2>/dev/null
docker service rm web
