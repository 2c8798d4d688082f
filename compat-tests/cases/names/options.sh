# about: search domains and options of a service's containers, beside names of the swarm
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service db --network net --endpoint-mode dnsrr
make_service web --network net --endpoint-mode dnsrr --dns-search corp.example --dns-option timeout:1
until_ok 30 'db runs' running db 1
until_ok 30 'web runs' running web 1
task=$(try engine docker ps -q --filter label=com.docker.swarm.service.name=web)
until_ok 20 'db is found' engine docker exec "$task" ping -c 1 -w 5 db
engine docker exec "$task" grep -v '^#' /etc/resolv.conf
quiet engine docker exec "$task" ping -c 1 -w 5 db >/dev/null
quiet engine docker exec "$task" ping -c 1 -w 5 tasks.db >/dev/null
docker service rm web db
until_ok 20 'the containers are gone' 'containers web 0 && containers db 0'
