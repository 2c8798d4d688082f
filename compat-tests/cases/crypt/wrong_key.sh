# about: a node that has another's old key lets nothing pass, in either direction, until it learns the new one; plain networks go on
# hosts: 3
swarm_of 3 1
for name in plain secret; do
  opt=''; [ $name = secret ] && opt='--opt encrypted'
  quiet docker network create -d overlay --attachable $opt $name >/dev/null
  for k in 2 3; do quiet on $k docker run -d --name $name$k --stop-signal KILL --network $name busybox sleep 100000 >/dev/null; done
done
ip() { try on "$1" engine docker inspect "$2" --format "{{(index .NetworkSettings.Networks \"${2%?}\").IPAddress}}"; }
flows() { try on "$2" engine docker exec "$1$2" ping -q -c 1 -W 1 "$(ip "$3" "$1$3")"; } # flows NAME FROM TO
if [ "$TARGET" = gam ]; then # the reference needs IPsec in the kernel
  for name in plain secret; do until_ok 10 "$name there" flows $name 2 3; until_ok 10 "$name back" flows $name 3 2; done
  # Host 3 hears no manager any more, and host 2 begins anew, with other keys.
  quiet on 3 run iptables -w 5 -I OUTPUT -p tcp --dport 2377 -j DROP
  quiet on 3 run iptables -w 5 -I INPUT -p tcp --sport 2377 -j DROP
  "$LAB" gam-kill 2 >&2
  "$LAB" gam-start 2 >&2
  until_ok 20 'host 2 has its tunnel' try on 2 run ip link show gam-crypt
  until_ok 20 'plain packets flow' flows plain 2 3
  # So often, with tries of both to begin a session in between.
  for _ in 1 2 3 4; do until_ok 1 'no packet passes' '! flows secret 2 3 && ! flows secret 3 2'; done
  quiet on 3 run iptables -w 5 -D OUTPUT -p tcp --dport 2377 -j DROP
  quiet on 3 run iptables -w 5 -D INPUT -p tcp --sport 2377 -j DROP
  until_ok 30 'it is healed' flows secret 2 3
  until_ok 5 'both ways' flows secret 3 2
fi
for k in 2 3; do quiet on $k docker rm -f plain$k secret$k >/dev/null; done
for name in plain secret; do until_ok 30 'the network is free' docker network rm $name; done
docker network ls --filter driver=overlay --format '{{.Name}}'
