# about: what serves swarm mode is killed and started, on a worker and on the manager, and the tunnel removed by somebody: it comes back
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay --opt encrypted net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'three tasks run' running web 3
mesh() {
  local from to
  [ "$TARGET" = gam ] || return 0 # the reference needs IPsec in the kernel
  for from in 1 2 3; do for to in 1 2 3; do
    until_ok 20 "$1: host $from reaches host $to" pings $from web "$(ip_of $to web net)"
  done; done
}
mesh 'at first'
for k in 2 1; do
  [ "$TARGET" = gam ] || continue
  "$LAB" gam-kill $k >&2
  "$LAB" gam-start $k >&2
  until_ok 60 'three nodes are ready' ready 3
  until_ok 30 'three tasks run' running web 3
  mesh "after host $k"
done
harm() { # harm WHAT SHELL: on host 2
  [ "$TARGET" = gam ] || return 0
  quiet on 2 run sh -c "$2" >/dev/null
  until_ok 6 "$1 is undone" pings 1 web "$(ip_of 2 web net)"
  until_ok 1 "$1 is undone, the other way" pings 2 web "$(ip_of 1 web net)"
}
harm 'a removed tunnel' 'ip link del gam-crypt'
harm 'a tunnel that is down' 'ip link set gam-crypt down'
harm 'a tunnel without its address' 'ip addr flush dev gam-crypt'
docker service rm web
until_ok 30 'the network is free' docker network rm net
if [ "$TARGET" = gam ]; then
  until_ok 20 'no tunnel is left behind' '! try on 2 run ip link show gam-crypt'
fi
