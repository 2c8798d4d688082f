# about: the UDP port of the packets between hosts is the user's
# hosts: 2
swarm_of 2 1 --data-path-port 7789
docker info --format '{{.Swarm.Cluster.DataPathPort}}'
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
for k in 1 2; do on $k run iptables -w 5 -I INPUT -p udp --dport 4789 -j DROP; done
until_ok 10 'there' pings 1 web "$(ip_of 2 web net)"
until_ok 10 'and back' pings 2 web "$(ip_of 1 web net)"
on 2 run iptables -w 5 -I INPUT -p udp --dport 7789 -j DROP
until_ok 10 'it is that port' '! pings 1 web "$(ip_of 2 web net)"'
on 2 run iptables -w 5 -D INPUT -p udp --dport 7789 -j DROP
until_ok 10 'and nothing else' pings 1 web "$(ip_of 2 web net)"
for k in 1 2; do on $k run iptables -w 5 -D INPUT -p udp --dport 4789 -j DROP; done
