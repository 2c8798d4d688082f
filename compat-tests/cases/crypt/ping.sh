# about: an encrypted network across three hosts: by address and by name, small and large packets, TCP, services and containers
# hosts: 3
swarm_of 3 1
docker network create -d overlay --attachable --opt encrypted --subnet 10.86.0.0/24 net
make_service web --network net --mode global
until_ok 30 'three tasks run' running web 3
quiet on 3 docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
if [ "$TARGET" = gam ]; then # the reference needs IPsec in the kernel
  for from in 1 2 3; do
    for to in 1 2 3; do until_ok 10 "host $from reaches host $to" pings $from web "$(ip_of $to web net)"; done
  done
  until_ok 10 'whole packets' pings 1 web "$(ip_of 2 web net)" 1322
  until_ok 10 'cut packets' pings 2 web "$(ip_of 3 web net)" 8000
  in_box() { try on 3 engine docker exec box "$@"; }
  until_ok 10 'by name' in_box ping -q -c 1 -W 1 tasks.web
  until_ok 10 'by the virtual address' in_box ping -q -c 1 -W 1 web
  until_ok 10 'a container by its name' pings 1 web box
  try on 3 engine docker exec -d box sh -c 'sleep 100 | nc -l -p 80 >/tmp/got' >/dev/null
  until_ok 5 'it listens' in_box grep -q ':0050 0*:0000 0A' /proc/net/tcp /proc/net/tcp6
  sum=$(try on 1 engine docker exec "$(container 1 web)" sh -c 'dd if=/dev/urandom of=/tmp/big bs=1M count=8 2>/dev/null; nc -w 5 box 80 </tmp/big; md5sum </tmp/big')
  arrived() { [ "$(in_box sh -c 'md5sum </tmp/got')" = "$sum" ]; }
  until_ok 10 'eight megabytes by TCP' arrived
fi
quiet on 3 docker rm -f box >/dev/null
docker service rm web
until_ok 30 'the network is free' docker network rm net
