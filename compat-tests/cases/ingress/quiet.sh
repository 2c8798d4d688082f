# about: as long as nobody changes rules no process is started to look at those of published ports; whatever is changed then is mended
# hosts: 1
swarm_init
docker service create -d -q --stop-signal KILL --name web --publish 8080:80 --publish 8081:80/udp busybox sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
until_ok 30 'the task runs' running web 1
outside() { "$LAB" switch curl -s -m 2 "http://$H1:8080/" | grep -q hello; }
# The host's own programs, with a note of each call.
note() { quiet run sh -c "cp $2 /run/$1.real; printf '#!/bin/sh\necho \"\$0 \$*\" >>/run/asked\nexec /run/$1.real $3 \"\$@\"\n' >/run/$1.sh
  chmod +x /run/$1.sh; mount --bind /run/$1.sh $2" >/dev/null; }
asked() { try run sh -c 'wc -l </run/asked'; }
# Two looks of Gam's lie between these.
still() { local before; before=$(asked); try run sleep 5; [ "$(asked)" = "$before" ]; }
if [ "$TARGET" = gam ]; then
  until_ok 20 'it answers' outside
  try run sh -c ': >/run/asked'
  note nft "$(readlink -f "$(command -v nft)")" ''
  note iptables "$(readlink -f "$(command -v iptables)")" '"$(basename "$0")"'
  until_ok 30 'nobody is asked' still
  quiet run iptables -F DOCKER-USER
  until_ok 5 'it answers' outside
  quiet run nft delete table ip gam_ingress
  until_ok 5 'the table is back' run nft list table ip gam_ingress
  until_ok 5 'it answers' outside
  until_ok 30 'nobody is asked again' still
  try run sh -c 'umount -l "$(readlink -f "$(command -v nft)")" "$(readlink -f "$(command -v iptables)")"; rm -f /run/*.real /run/nft.sh /run/iptables.sh /run/asked'
fi 2>/dev/null
docker service rm web
