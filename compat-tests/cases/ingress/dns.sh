# about: a DNS server of the swarm is published on port 53 of every host, and containers go on to find each other by name
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
# Tells each client its address. The image has no such program: it is the host's.
echo='socket(S,PF_INET,SOCK_DGRAM,17); bind(S,sockaddr_in(53,INADDR_ANY)); while($f=recv(S,$b,999,0)){($p,$a)=sockaddr_in($f); send(S,inet_ntoa($a)." told\n",0,$f)}'
docker service create -d -q --stop-signal KILL --name names --constraint node.hostname==host2 --network net --publish 53:53/udp --publish 53:80/tcp \
  --mount type=bind,source=/,target=/host,readonly busybox sh -c "nc -ll -p 80 -e echo taken & exec chroot /host perl -MSocket -e '$echo'"
make_service web --network net
until_ok 30 'the tasks run' '[ $(docker service ps -q -f desired-state=running names web | wc -l) = 2 ] && running names 1 && running web 1'
for k in 1 2; do quiet on $k docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null; done
ask() { "$@" timeout 3 bash -c 'exec 3<>/dev/udp/'"$to"'/53; printf hi >&3; timeout 1 head -n1 <&3' | grep -q "$who told"; }
finds() { on $1 engine docker exec own nslookup -type=a web && on $1 engine docker exec own nslookup -type=a tasks.names; }
inside() { local pid; pid=$(try on "$1" engine docker inspect own --format '{{.State.Pid}}'); shift; "$LAB" exec "$host" nsenter -t "$pid" -n "$@"; }
if [ "$TARGET" = gam ]; then
  for k in 1 2; do
    host=$k to=$(addr $k)
    who=$(addr 254) until_ok 20 "outside, by host $k" ask "$LAB" switch
    until_ok 10 "by TCP" '"$LAB" switch sh -c "busybox nc -w 2 $to 53 </dev/null | grep -q taken"'
    to=127.0.0.1 who=10.0.0.1 until_ok 10 "127.0.0.1 on host $k" ask "$LAB" exec $k
    who=. until_ok 10 "a container that asks the host's address" ask inside $k
    until_ok 10 "names are found on host $k" finds $k
    until_ok 10 'by TCP, too' "inside $k timeout 3 bash -c 'exec 3<>/dev/tcp/10.77.0.1/53'"
  done
  # Whichever of the two has the port first.
  try daemon kill
  try daemon start
  host=1 to=$H1
  who=$(addr 254) until_ok 20 'outside, by a new daemon' ask "$LAB" switch
  until_ok 10 'names are found by a new daemon' finds 1
  # A port behind which nobody is refuses, which is no matter of the names.
  quiet docker service scale -d names=0 >/dev/null
  until_ok 30 'nobody is there' on 2 containers names 0
  until_ok 10 'web is found' on 1 engine docker exec own nslookup -type=a web
fi 2>/dev/null
docker service inspect names --format '{{json .Endpoint.Ports}}'
docker service rm names web
for k in 1 2; do quiet on $k engine docker rm -f own >/dev/null; done
