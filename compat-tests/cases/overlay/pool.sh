# about: subnets come from the pool of the swarm, and tasks in them reach each other
# hosts: 2
swarm_of 2 1 --default-addr-pool 10.90.0.0/16 --default-addr-pool-mask-length 26
for name in one two; do quiet docker network create -d overlay $name >/dev/null; done
make_service web --network one --network two --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
for name in one two; do
  until_ok 10 "there on $name" pings 1 web "$(ip_of 2 web $name)"
  until_ok 10 "and back on $name" pings 2 web "$(ip_of 1 web $name)"
  docker network inspect $name --format '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}'
done
