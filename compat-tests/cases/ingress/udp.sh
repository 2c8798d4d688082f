# about: published UDP ports: the client's address from outside, answers on the host itself and on 127.0.0.1; a client that goes on sending when its task is gone reaches the next one
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay net >/dev/null
# Tells each client its address, by a socket that is bound to no address of its own. The image has no such program: it is the host's.
echo='socket(S,PF_INET,SOCK_DGRAM,17); bind(S,sockaddr_in(53,INADDR_ANY)); while($f=recv(S,$b,9,0)){($p,$a)=sockaddr_in($f); send(S,inet_ntoa($a)." $ENV{HOSTNAME}\n",0,$f)}'
docker service create -d -q --stop-signal KILL --name echo --constraint node.hostname==host2 --network net --publish 5000:53/udp \
  --mount type=bind,source=/,target=/host,readonly busybox chroot /host perl -MSocket -e "$echo"
until_ok 30 'the task runs' running echo 1
ask() { # ask ADDRESS WHO CMD...: the answer to a datagram sent from there is this
  local to=$1 who=$2; shift 2
  "$@" timeout 3 bash -c "exec 3<>/dev/udp/$to/5000; printf hi >&3; timeout 1 head -n1 <&3" | grep -q "^$who "
}
if [ "$TARGET" = gam ]; then
  for k in 1 2; do
    until_ok 20 "outside, by host $k" ask "$(addr $k)" "$(addr 254)" "$LAB" switch
    until_ok 10 "127.0.0.1 on host $k" ask 127.0.0.1 10.0.0.1 "$LAB" exec $k
    until_ok 10 "its address" ask "$(addr $k)" 10.0.0.1 "$LAB" exec $k
    until_ok 10 "IPv6" ask ::1 10.0.0.1 "$LAB" exec $k
  done
  # One socket, which asks every 0.1 s.
  "$LAB" switch bash -c "exec 3<>/dev/udp/$H1/5000; while [ ! -e stop ]; do printf hi >&3; timeout 0.1 head -n1 <&3; done" >answers &
  until_ok 10 'it is answered' grep -q "$(addr 254)" answers
  old=$(container 2 echo)
  quiet docker service update -d --force echo >/dev/null
  until_ok 30 'there is another task' '[ "$(container 2 echo)" != '"$old"' ] && running echo 1'
  : >answers
  until_ok 10 'it is answered again' grep -q "$(addr 254)" answers
  touch stop
  wait
fi 2>/dev/null
docker service ls --format '{{.Name}} {{.Ports}}'
docker service rm echo
