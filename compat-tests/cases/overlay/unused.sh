# about: a network leaves a host with its last task, and leaves nothing in the kernel; it comes back with the next task
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay net >/dev/null
make_service web --network net --endpoint-mode dnsrr --mode global
until_ok 30 'two tasks run' running web 2
until_ok 10 'there' pings 1 web "$(ip_of 2 web net)"
on 2 sorted docker network ls --filter driver=overlay --format '{{.Name}}'
docker service update -d --constraint-add node.hostname==host1 web
until_ok 30 'one task runs' running web 1
until_ok 30 'host 2 has it no more' '! on 2 docker network inspect net'
none() { ! try on "$1" run ip -o link | grep -qE 'gvx-|gam-|vx-'; }
until_ok 30 'nor its kernel' none 2
docker service update -d --constraint-rm node.hostname==host1 web
until_ok 30 'two tasks run' running web 2
until_ok 10 'there' pings 1 web "$(ip_of 2 web net)"
until_ok 10 'and back' pings 2 web "$(ip_of 1 web net)"
docker service rm web
until_ok 30 'the network is free' docker network rm net
for k in 1 2; do until_ok 30 "nothing is left on host $k" none $k; done
