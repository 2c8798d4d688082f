# about: subnet, range and gateway of the user, on every host
# hosts: 2
swarm_of 2 1
docker network create -d overlay --subnet 10.73.0.0/16 --ip-range 10.73.5.0/24 --gateway 10.73.5.77 net
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
for k in 1 2; do case $(ip_of $k web net) in 10.73.5.*) run echo host$k: in the range;; *) run echo host$k: "$(ip_of $k web net)";; esac; done
until_ok 10 'both ways' pings 1 web "$(ip_of 2 web net)"
until_ok 10 'both ways' pings 2 web "$(ip_of 1 web net)"
docker network inspect net --format '{{json .IPAM.Config}}'
