# about: packets between hosts go to the addresses that the user gave for them, and no others
# hosts: 2
for k in 1 2; do quiet on $k run ip address replace 192.168.222.$k/24 dev eth0; done
quiet docker swarm init --advertise-addr "$H1" --data-path-addr 192.168.222.1 >/dev/null
token=$(try docker swarm join-token -q worker)
quiet on 2 docker swarm join --advertise-addr "$H2" --data-path-addr 192.168.222.2 --token "$token" "$H1:2377" >/dev/null
until_ok 30 'two nodes are ready' ready 2
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
for k in 1 2; do quiet on $k run iptables -w 5 -I INPUT -p udp --dport 4789 '!' -d 192.168.222.0/24 -j DROP; done
until_ok 10 'there' pings 1 web "$(ip_of 2 web net)"
until_ok 10 'and back' pings 2 web "$(ip_of 1 web net)"
for k in 1 2; do
  quiet on $k run iptables -w 5 -D INPUT -p udp --dport 4789 '!' -d 192.168.222.0/24 -j DROP
  quiet on $k run iptables -w 5 -I INPUT -p udp --dport 4789 -d 192.168.222.0/24 -j DROP
done
until_ok 10 'to no others' '! pings 1 web "$(ip_of 2 web net)"'
for k in 1 2; do
  quiet on $k run iptables -w 5 -D INPUT -p udp --dport 4789 -d 192.168.222.0/24 -j DROP
  quiet on $k run ip address del 192.168.222.$k/24 dev eth0
done
docker node inspect host2 --format '{{.Status.Addr}}'
