# about: when the last published service is removed, whoever is connected by any node is answered, and nobody waits for nodes that have nothing to forget
# hosts: 2
swarm_of 2 1
serve() { quiet docker service create -d -q --stop-signal KILL --name web --constraint node.hostname==host1 --publish 8080:80 busybox \
  nc -ll -p 80 -e sh -c 'echo begun; sleep 1; echo answered' >/dev/null; until_ok 30 'it runs' running web 1; }
ask() { # ask FILE ADDRESS CMD...: connects by host 2
  local file=$1 to=$2; shift 2
  "$@" sh -c "tail -f /dev/null | busybox nc $to 8080" >"$file" 2>/dev/null &
  until_ok 20 "it has begun: $file" grep -q begun "$file"
}
serve
if [ "$TARGET" = gam ]; then
  until_ok 20 'host 2 publishes it' '"$LAB" switch sh -c "busybox nc -w 2 $(addr 2) 8080 </dev/null | grep -q begun"'
  ask outside "$(addr 2)" "$LAB" switch
  ask inside 127.0.0.1 "$LAB" exec 2
  quiet docker service rm web >/dev/null
  until_ok 20 'outside is answered' grep -q answered outside
  until_ok 20 'the host itself, too' grep -q answered inside
  until_ok 20 'the container is gone' containers web 0
  # Docker waits these 2 s in any case.
  serve
  until_ok 20 'host 2 publishes it' '"$LAB" switch sh -c "busybox nc -w 2 $(addr 2) 8080 </dev/null | grep -q begun"'
  until_ok 10 'nobody is connected' '! engine docker exec $(container 1 web) netstat -tn | grep -q ESTABLISHED'
  began=$(date +%s%3N)
  quiet docker service rm web >/dev/null
  until_ok 20 'the container is gone' containers web 0
  took=$(($(date +%s%3N) - began))
  [ $took -lt 1900 ] || run echo "it took $took ms"
  until_ok 20 'nothing is left on host 2' '! on 2 run nft list table ip gam_ingress'
else
  quiet docker service rm web >/dev/null
  until_ok 20 'the container is gone' containers web 0
fi 2>/dev/null
docker service ls
