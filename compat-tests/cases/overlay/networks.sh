# about: a task on several overlays reaches others on each; who is on one only is not reached through another; one is internal
# hosts: 3
swarm_of 3 1
quiet docker network create -d overlay --subnet 10.71.0.0/24 one >/dev/null
quiet docker network create -d overlay --subnet 10.72.0.0/24 --internal two >/dev/null
make_service both --network one --network two --endpoint-mode dnsrr --constraint node.hostname==host1
make_service first --network one --endpoint-mode dnsrr --constraint node.hostname==host2
make_service second --network two --endpoint-mode dnsrr --constraint node.hostname==host3
for name in both first second; do until_ok 30 "$name runs" running $name 1; done
until_ok 10 'on the first' pings 1 both "$(ip_of 2 first one)"
until_ok 10 'and back' pings 2 first "$(ip_of 1 both one)"
until_ok 10 'on the second' pings 1 both "$(ip_of 3 second two)"
until_ok 10 'and back' pings 3 second "$(ip_of 1 both two)"
stranger=$(ip_of 3 second two)
if pings 2 first "$stranger"; then run echo strangers reach each other; else run echo strangers do not reach each other; fi
on 3 engine docker exec "$(container 3 second)" sh -c 'ip route | grep -c default'
on 2 engine docker exec "$(container 2 first)" sh -c 'ip route | grep -c default'
docker service rm both first second
for name in one two; do until_ok 30 "$name is free" docker network rm $name; done
