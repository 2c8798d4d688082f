# about: an IPv6 subnet on a network without IPv6, and wrong ones on a network with it
# hosts: 1
swarm_init
docker network create -d overlay --subnet fd00:3::/64 unasked
docker network create -d overlay --ipv6 --subnet fd00:3::1/64 base
docker network create -d overlay --ipv6 --subnet fd00:3::/64 --gateway fd00:4::1 gateway
docker network create -d overlay --ipv6 --subnet fd00:3::/64 --ip-range fd00:4::/80 range
docker network create -d overlay --ipv6 --subnet fd00:3::/64 --subnet fd00:3::/80 twice
api POST /networks/create '{"Name":"a","Driver":"overlay","EnableIPv6":true,"IPAM":{"Config":[{"Subnet":"fd00:9::/64","Gateway":"fd00:8::1"}]}}'
api POST /networks/create '{"Name":"b","Driver":"overlay","EnableIPv6":true,"IPAM":{"Config":[{"Subnet":"fd00:9::/64","Gateway":"10.0.0.1"}]}}'
api POST /networks/create '{"Name":"c","Driver":"overlay","EnableIPv6":true,"IPAM":{"Config":[{"Subnet":"10.94.6.0/24","IPRange":"fd00:8::/80"},{"Subnet":"fd00:9::/130"}]}}'
api POST /networks/create '{"Name":"d","Driver":"overlay","EnableIPv6":true,"IPAM":{"Config":[{"Subnet":"fd00:9::/64","AuxiliaryAddresses":{"a":"fd00:8::1"}}]}}'
