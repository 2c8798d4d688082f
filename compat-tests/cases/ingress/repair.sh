# about: what somebody else removes from the rules comes back within 5 s; without Gam connections from outside go on
# hosts: 2
swarm_of 2 1
web='mkdir -p /tmp/www/cgi-bin; printf "#!/bin/sh\necho; echo \$REMOTE_ADDR \$(hostname)\n" >/tmp/www/cgi-bin/who; chmod +x /tmp/www/cgi-bin/who; exec httpd -f -p 80 -h /tmp/www'
docker service create -d -q --stop-signal KILL --name web --constraint node.hostname==host2 --publish 8080:80 busybox sh -c "$web"
until_ok 30 'the task runs' running web 1
# Without the rules the socket would answer, but not under the client's address.
outside() { "$LAB" switch curl -s -m 2 "http://$H1:8080/cgi-bin/who" | grep -qF "$(addr 254)]"; }
harm() { # harm WHAT SHELL: on host 1, with $bridge being the mesh's
  quiet run sh -c "bridge=\$(ip -o link | sed -n 's/^[0-9]*: \(gam-[^:@]*\).*/\1/p'); $2" >/dev/null
  until_ok 5 "$1 is undone" outside
}
if [ "$TARGET" = gam ]; then
  until_ok 20 'it answers' outside
  harm 'a removed table' 'nft delete table ip gam_ingress'
  harm 'a flushed chain' 'nft flush chain ip gam_ingress arriving'
  harm 'a flushed DOCKER-USER' 'iptables -F DOCKER-USER'
  harm 'another address of the bridge' 'ip link set $bridge address 02:00:00:00:00:01'
  harm 'all rules of all tables' 'nft delete table ip gam_ingress; iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN'
  try daemon kill 2>/dev/null
  until_ok 5 'packets go on' outside
  try daemon start
  until_ok 10 'also with a new one' outside
  until_ok 10 'the host is served again' 'run curl -s -m 2 http://127.0.0.1:8080/cgi-bin/who | grep -q 10.0.0.1'
  # A service that goes while Gam is away leaves nothing behind either.
  try daemon kill 2
  try daemon kill
  try daemon start
  until_ok 30 'it serves' docker node ls
fi 2>/dev/null
docker service ls
docker service rm web
if [ "$TARGET" = gam ]; then
  try daemon start 2
  until_ok 20 'nothing is left' '! on 2 run sh -c "nft list tables | grep ingress || iptables -S DOCKER-USER | grep gam-"'
  until_ok 20 'on either host' '! run sh -c "nft list tables | grep ingress || iptables -S DOCKER-USER | grep gam-"'
fi 2>/dev/null
