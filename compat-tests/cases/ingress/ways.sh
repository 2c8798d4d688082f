# about: what a container loses of its ways back to the nodes by which clients come is back within 5 s; of a node that is gone nothing stays
# hosts: 2
swarm_of 2 1
docker service create -d -q --stop-signal KILL --name web --constraint node.hostname==host1 --publish 8080:80 busybox \
  sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
until_ok 30 'the task runs' running web 1
inside() { local pid; pid=$(try engine docker inspect "$(container 1 web)" --format '{{.State.Pid}}'); "$LAB" exec 1 nsenter -t "$pid" -n "$@"; }
by2() { "$LAB" switch curl -s -m 2 "http://$(addr 2):8080/" | grep -q hello; }
harm() { # harm WHAT SHELL: in the container's network, with $link being the mesh's
  inside sh -c "link=\$(ip -o -4 addr | sed -n 's/^[0-9]*: \([^ ]*\) *inet 10\.0\.0\..*/\1/p'); $2"
  until_ok 5 "$1 is undone" by2
}
ways() { inside sh -c 'ip neigh; ip route show table all; ip rule' | grep -cE '169\.254\.|fwmark 0x6761'; }
if [ "$TARGET" = gam ]; then
  until_ok 20 'it answers' by2
  for harm in 'for table in $(ip rule | sed -n "s/.*fwmark 0x6761.* lookup //p"); do ip route flush table $table; done' \
    'while ip rule del pref 90; do :; done' 'ip neigh | while read to dev rest; do case $to in 169.254.*) ip neigh del $to dev $link;; esac; done' \
    'way=$(ip route show default); ip link set $link down; ip link set $link up; ip route add $way'; do
    harm "$harm" "$harm"
  done
  all=$(ways)
  quiet on 2 docker swarm leave >/dev/null
  until_ok 30 'host 2 is down' state host2 down
  quiet docker node rm host2 >/dev/null
  until_ok 10 'half of it is gone' '[ $(($(ways) * 2)) = '"$all"' ]'
fi 2>/dev/null
docker service ls --format '{{.Name}} {{.Ports}}'
docker service rm web
