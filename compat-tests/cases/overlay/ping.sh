# about: tasks on three hosts reach each other by address, both ways, with packets of any size; so do those that come later
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --replicas 2 --replicas-max-per-node 1 --constraint node.hostname!=host1
until_ok 30 'two tasks run' running web 2
until_ok 10 'host 2 reaches host 3' pings 2 web "$(ip_of 3 web net)"
until_ok 10 'host 3 reaches host 2' pings 3 web "$(ip_of 2 web net)"
until_ok 10 'so do large packets' pings 2 web "$(ip_of 3 web net)" 1422
until_ok 10 'and larger ones' pings 3 web "$(ip_of 2 web net)" 8000
docker service update -d --constraint-rm node.hostname!=host1 --replicas 3 web
until_ok 60 'three tasks run' running web 3
for from in 1 2 3; do
  for to in 1 2 3; do until_ok 10 "host $from reaches host $to" pings $from web "$(ip_of $to web net)"; done
done
docker service ls
docker service rm web
until_ok 30 'the network is free' docker network rm net
