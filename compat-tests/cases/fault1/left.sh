# about: a swarm that was left stays left after a restart, and a new one can be made
# hosts: 1
swarm_init
make_service web
until_ok 30 'the task runs' running web 1
docker swarm leave --force
until_ok 20 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
daemon kill
daemon start
docker info --format '{{.Swarm.LocalNodeState}}'
docker service ls
docker swarm init --advertise-addr "$H1"
docker service ls
docker network ls --filter scope=swarm --format '{{.Name}}'
