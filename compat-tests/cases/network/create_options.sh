# about: flags of overlay networks: several gateways and ranges, identifiers, addresses that are kept back
# hosts: 1
swarm_init
new() { docker network create -d overlay "$@"; }
new --subnet 10.73.0.0/24 --subnet 10.73.0.0/24 bad1
new --subnet 10.73.1.0/24 --subnet 10.73.1.128/25 bad2
new --subnet 10.74.0.0/24 --gateway 10.74.0.1 --gateway 10.74.0.2 bad3
new --subnet 10.74.0.0/24 --ip-range 10.74.0.0/25 --ip-range 10.75.0.0/25 bad4
new --subnet 10.74.0.0/24 --aux-address a=10.75.0.1 bad5
new --subnet 10.74.0.0/24 --aux-address a=nonsense bad6
new --ipv4=false --ipv6 --subnet fd00:6::/64 bad7
new --subnet 10.76.0.0/28 --gateway 10.76.0.9 --ip-range 10.76.0.8/29 --aux-address a=10.76.0.8 --aux-address b=10.76.0.2 --opt com.docker.network.driver.mtu=1400 --opt com.docker.network.driver.overlay.vxlanid_list=5001,5002 --attachable one
docker network inspect one --format '{{json .IPAM}} {{json .Options}}'
new --opt com.docker.network.driver.overlay.vxlanid_list=5003 two
docker network inspect two --format '{{json .Options}}'
make_service web --network one --replicas 1 --endpoint-mode dnsrr
until_ok 30 'the task runs' running web 1
