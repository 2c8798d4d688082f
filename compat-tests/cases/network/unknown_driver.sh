# about: a network driver that is not there, looked for in vain
# hosts: 1
swarm_init
docker network create -d nope --scope swarm net
docker network ls --filter name=net --format '{{.Name}}'
