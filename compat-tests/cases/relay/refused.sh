# about: nobody reaches by a manager what is no task's container, nor by a worker what is elsewhere
# hosts: 2
swarm_of 2 1
make_service far --constraint node.hostname==host2
make_service near --constraint node.hostname==host1
until_ok 30 'both run' running far 1
until_ok 30 'both run' running near 1
plain=$(quiet on 2 docker run -d --name plain --stop-signal KILL busybox sleep 100000)
docker exec plain true
docker inspect plain
try docker exec "$plain" true; run echo "exit $?"
docker exec nobody.1.0123456789abcdefghijklmno true
on 2 docker exec plain true
near=$(container 1 near)
try on 2 docker exec "$near" true; run echo "exit $?"
on 2 docker exec plain echo mine
docker rm -f plain
on 2 docker rm -f plain
docker service rm far near
