# about: what packets may measure: by default, and as the user says; packets of that size arrive
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --subnet 10.74.0.0/24 plain >/dev/null
quiet docker network create -d overlay --subnet 10.75.0.0/24 --opt com.docker.network.driver.mtu=1300 small >/dev/null
make_service plain --network plain --endpoint-mode dnsrr --mode global
make_service small --network small --endpoint-mode dnsrr --mode global
for name in plain small; do until_ok 30 "$name runs" running $name 2; done
mtu() { # mtu K SERVICE ADDRESS: of the link with this address
  on "$1" engine docker exec "$(container "$1" "$2")" sh -c "cat /sys/class/net/\$(ip -o addr | grep -F ' $3' | awk '{print \$2}')/mtu"
}
for k in 1 2; do mtu $k plain 10.74.; mtu $k small 10.75.; done
until_ok 10 'whole packets' pings 1 plain "$(ip_of 2 plain plain)" 1422
until_ok 10 'cut packets' pings 1 plain "$(ip_of 2 plain plain)" 4000
until_ok 10 'small ones' pings 2 small "$(ip_of 1 small small)" 1222
until_ok 10 'cut ones' pings 2 small "$(ip_of 1 small small)" 4000
