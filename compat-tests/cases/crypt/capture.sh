# about: what goes between hosts: of a plain network a payload is readable, of an encrypted one it is not, though it arrives
# hosts: 3
swarm_of 3 1
for name in plain secret; do
  opt=''; [ $name = secret ] && opt='--opt encrypted'
  quiet docker network create -d overlay --attachable $opt $name >/dev/null
  for k in 2 3; do quiet on $k docker run -d --name $name$k --stop-signal KILL --network $name busybox sleep 100000 >/dev/null; done
done
ip() { try on "$1" engine docker inspect "$2" --format "{{(index .NetworkSettings.Networks \"${2%?}\").IPAddress}}"; }
carried() { # carried NAME WORD: from host 3 to host 2
  until_ok 10 "$1 works" try on 2 engine docker exec "${1}2" ping -q -c 1 -W 1 "$(ip 3 "${1}3")"
  try on 3 engine docker exec -d "${1}3" sh -c "echo $2 | nc -l -p 80" >/dev/null
  until_ok 10 "$2 comes" "try on 2 engine docker exec ${1}2 nc -w 2 $(ip 3 "${1}3") 80 </dev/null | grep -q $2"
}
if [ "$TARGET" = gam ]; then # the reference needs IPsec in the kernel
  "$LAB" switch "$COMPAT_BIN" capture "$PWD/frames" & recorder=$!
  until_ok 10 'the recorder is ready' test -s frames
  carried plain bananapudding
  carried secret cherrycrumble
  kill $recorder; wait $recorder 2>/dev/null
  until_ok 1 'the plain word was seen' grep -qa bananapudding frames
  until_ok 1 'the other one was not' '! grep -qa cherrycrumble frames'
fi
for k in 2 3; do quiet on $k docker rm -f plain$k secret$k >/dev/null; done
for name in plain secret; do until_ok 30 'the network is free' docker network rm $name; done
docker network ls --filter driver=overlay --format '{{.Name}}'
