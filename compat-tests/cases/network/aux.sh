# about: addresses that are kept for others: which ones may be, and that nobody gets them
# hosts: 1
swarm_init
docker network create -d overlay --attachable --subnet 10.82.0.0/29 --gateway 10.82.0.1 --aux-address a=10.82.0.2 --aux-address b=10.82.0.4 net
docker network create -d overlay --subnet 10.86.0.0/24 --aux-address a=10.87.0.5 outside
docker network create -d overlay --subnet 10.86.0.0/24 --aux-address a=x word
api POST /networks/create '{"Name":"a","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.94.0.0/24","AuxiliaryAddresses":{"a":"10.95.0.1"}}]}}'
api POST /networks/create '{"Name":"b","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.94.0.0/24","AuxiliaryAddresses":{"a":"x"}}]}}'
api POST /networks/create '{"Name":"c","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.94.0.0/24","AuxiliaryAddresses":{"a":"fd00::1"}}]}}'
docker network create -d overlay --subnet 10.92.0.0/24 --gateway 10.92.0.4 --aux-address a=10.92.0.4 gateway
docker network inspect gateway --format '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}'
if [ "$TARGET" = gam ]; then
  for k in 1 2 3; do quiet docker run -d --name box$k --stop-signal KILL --network net busybox sleep 100000 >/dev/null; done
  given=$(for k in 1 2 3; do try docker inspect box$k --format '{{.NetworkSettings.Networks.net.IPAddress}}'; done | xargs)
  until_ok 1 'the others are given' test "$given" = '10.82.0.3 10.82.0.5 10.82.0.6'
  until_ok 5 'not even to who asks' '! docker run --rm --network net --ip 10.82.0.4 busybox true'
  until_ok 1 'they are shown' '[ "$(try docker network inspect net --format "{{(index .IPAM.Config 0).AuxAddress.b}}")" = 10.82.0.4 ]'
  quiet docker rm -f box1 box2 box3 >/dev/null
fi
docker network rm net gateway
