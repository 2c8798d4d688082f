# about: an overlay network with IPv6 and no subnet: who is on it has an address of a subnet that nobody chose
# hosts: 1
swarm_init
docker network create -d overlay --attachable --ipv6 net
docker network inspect net --format '{{.EnableIPv4}} {{.EnableIPv6}}'
make_service web --network net
until_ok 30 'a task runs' running web 1
docker run -d --name box --stop-signal KILL --network net busybox sleep 100000
try docker network inspect net --format '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{println}}{{end}}' |
  sed -E 's/fd[0-9a-f]{2}:[0-9a-f:]*::/fd..::/g' >seen
run cat seen
own=$(try docker inspect box --format '{{.NetworkSettings.Networks.net.GlobalIPv6Address}}/{{.NetworkSettings.Networks.net.GlobalIPv6PrefixLen}}')
case $own in fd*/64) run echo it has an address;; esac
until_ok 10 'it is on its interface' docker exec box sh -c "ip -6 addr show dev eth0 | grep -q 'inet6 $own '"
case $(try docker network inspect net --format '{{range .Containers}}{{.IPv6Address}} {{end}}') in *"$own"*) run echo it is shown;; esac
if [ "$TARGET" = gam ]; then
  until_ok 10 'the service is reached' docker exec box ping -6 -q -c 1 -W 1 web
fi
docker rm -f box
docker service rm web
until_ok 30 'the network is free' docker network rm net
