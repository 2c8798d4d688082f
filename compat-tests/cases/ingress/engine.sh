# about: published ports work without a chain of the engine's for its users, and are given back when the host leaves while dockerd is down
# hosts: 1
swarm_init
docker service create -d -q --stop-signal KILL --name web --publish 8080:80 busybox sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
until_ok 30 'the task runs' running web 1
if [ "$TARGET" = gam ]; then
  until_ok 20 'it answers' '"$LAB" switch curl -s -m 2 "http://$H1:8080/" | grep -q hello'
  quiet run sh -c 'iptables -D FORWARD -j DOCKER-USER; iptables -F DOCKER-USER; iptables -X DOCKER-USER; iptables -P FORWARD ACCEPT; iptables -F FORWARD'
  quiet docker service update -d --publish-add 8081:80 web >/dev/null
  until_ok 20 'another port is published' '"$LAB" switch curl -s -m 2 "http://$H1:8081/" | grep -q hello'
  until_ok 5 'nothing is complained of' '! grep "published ports do not work" "$LAB_DIR/h1/gam.log"'
  try lab term 1
  docker swarm leave --force
  until_ok 10 'the ports are given back' '! run nft list table ip gam_ingress'
  until_ok 10 'so are their sockets' '! run curl -s -m 2 http://127.0.0.1:8080/'
  try lab start 1
else
  docker swarm leave --force
fi 2>/dev/null
docker info --format '{{.Swarm.LocalNodeState}}'
