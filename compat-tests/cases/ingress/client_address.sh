# about: a client outside the cluster is seen under its own address, whichever host it comes through and wherever the task is
# hosts: 3
swarm_of 3 1
web='mkdir -p /tmp/www/cgi-bin; printf "#!/bin/sh\necho; echo \$REMOTE_ADDR \$(hostname)\n" >/tmp/www/cgi-bin/who; chmod +x /tmp/www/cgi-bin/who; exec httpd -f -p 80 -h /tmp/www'
quiet docker network create -d overlay net >/dev/null
docker service create -d -q --stop-signal KILL --name web --network net --mode global --publish 8080:80 busybox sh -c "$web"
until_ok 30 'three tasks run' running web 3
docker service ls
seen() { "$LAB" switch curl -s -m 2 "http://$(addr $1):8080/cgi-bin/who"; }
# Of all tasks behind one host: the same client's address for each.
all_see() { # all_see HOST TASKS
  for _ in $(seq 24); do seen $1; done >seen
  [ "$(cut -d' ' -f2 seen | sort -u | wc -l)" = $2 ] && [ "$(cut -d' ' -f1 seen | sort -u)" = "[::ffff:$(addr 254)]" ]
}
# The reference balances with IPVS, which this kernel may not have, and hides the client.
if [ "$TARGET" = gam ]; then
  for k in 1 2 3; do until_ok 20 "all tasks see the client behind host $k" all_see $k 3; done
  for k in 1 2 3; do
    quiet docker service update -d --constraint-rm "node.hostname==host$((k - 1))" --constraint-add "node.hostname==host$k" web >/dev/null
    until_ok 30 "one task runs, on host $k" 'running web 1 && on '$k' containers web 1'
    for via in 1 2 3; do until_ok 20 "a task on host $k sees the client behind host $via" all_see $via 1; done
  done
fi 2>/dev/null
docker service rm web
until_ok 20 'the containers are gone' 'containers web 0 && on 2 containers web 0 && on 3 containers web 0'
if [ "$TARGET" = gam ]; then
  for k in 1 2 3; do until_ok 10 'nothing listens any more' '! on '$k' run sh -c "ss -ltn | grep :8080; nft list tables | grep ingress; iptables -S DOCKER-USER | grep gam-"'; done
fi 2>/dev/null
