# about: a swarm that is left while dockerd is away leaves no containers, also if Gam ends before dockerd is back
# hosts: 1
swarm_init
make_service web --replicas 2 --restart-condition none
until_ok 30 'web runs' running web 2
if [ "$TARGET" = gam ]; then
  "$LAB" stop 1
  try docker swarm leave --force
  "$LAB" gam-kill 1
  until_ok 1 'it was left' '[ ! -e "$LAB_DIR/h1/gam/node.json" ]'
  "$LAB" start 1
  "$LAB" gam-start 1
else
  try docker swarm leave --force
fi
until_ok 20 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
docker info --format '{{.Swarm.LocalNodeState}}'
