# about: the ndots that the user chose is what a service's containers read, and names of the swarm are found with it
# hosts: 1
swarm_init
quiet docker network create -d overlay --subnet 10.77.0.0/24 net >/dev/null
make_service db --network net --endpoint-mode dnsrr
make_service three --network net --endpoint-mode dnsrr --dns-option ndots:3 --dns-option timeout:1
make_service zero --network net --endpoint-mode dnsrr --dns-option ndots:0
make_service odd --network net --endpoint-mode dnsrr --dns-option ndots:x --dns-option attempts:2
make_service bridge --dns-option timeout:1 --dns-option ndots:12
for name in db three zero odd bridge; do until_ok 30 'it runs' running $name 1; done
for name in three zero odd bridge; do
  task=$(container 1 $name)
  until_ok 5 'the options are there' "engine docker exec $task grep ^options /etc/resolv.conf"
  engine docker exec "$task" grep '^options' /etc/resolv.conf
done
for name in db zero odd; do # with any ndots, nobody outside is asked for a name without dots (there is nobody here)
  until_ok 20 'it is answered' "engine docker exec $(container 1 $name) ping -c 1 -w 5 db"
  engine docker exec "$(container 1 $name)" sh -c 'nslookup -type=a short | grep -c SERVFAIL'
done
for name in three zero; do
  task=$(container 1 $name)
  until_ok 20 'db is found' engine docker exec "$task" ping -c 1 -w 5 db
  quiet engine docker exec "$task" ping -c 1 -w 5 tasks.db >/dev/null
done
docker service rm db three zero odd bridge
until_ok 20 'the containers are gone' 'containers db 0 && containers three 0 && containers zero 0 && containers odd 0 && containers bridge 0'
