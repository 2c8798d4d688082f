# about: a full disk refuses changes of the swarm and says why; all else goes on, and it heals by itself when there is room
# hosts: 1
if [ "$TARGET" = gam ]; then
  state=$LAB_DIR/h1/gam
  try lab disk 1 4m
fi
swarm_init
make_service web
until_ok 30 'web runs' running web 1
create() { # create NAME: a service that takes room
  try api POST /services/create "{\"Name\":\"$1\",\"Labels\":{\"much\":\"$(printf %04000d 0)\"},\"Mode\":{\"Replicated\":{\"Replicas\":0}},
    \"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}}}"
}
fills() { # until it is refused
  local n=0 answer
  while answer=$(create "s$round$n"); do ((++n < 200)) || return; done
  [[ $answer == *'No space left on device'* ]]
}
starts_in_error() {
  fills
  try daemon kill
  try daemon start
  [ "$(try docker info --format '{{.Swarm.LocalNodeState}}')" = error ]
}
serves_on() {
  [ "$(try docker ps -q | wc -l)" = 1 ] && engine docker run --rm busybox true && [ -n "$(try docker info --format '{{.Swarm.NodeID}}')" ]
}
kept() { [ -z "$(comm -23 <(echo "$before") <(try docker service ls -q | sort))" ]; }
if [ "$TARGET" = gam ]; then
  for round in running started; do
    try run dd if=/dev/zero "of=$state/filler" bs=4k
    until_ok 1 'changes are refused, and the reason is told' fills
    until_ok 1 'what is dockerds goes on' serves_on
    until_ok 1 'what is known of the swarm can be read' '[ "$(docker service ls -q --filter name=web | wc -l)" = 1 ]'
    before=$(try docker service ls -q | sort)
    if [ $round = started ]; then
      # Until even the little room within the log's file is used up.
      until_ok 60 'it cannot be opened' starts_in_error
      until_ok 1 'a start on the full disk serves, too' serves_on
      until_ok 1 'and refuses' fills
    fi
    until_ok 1 'the reason is shown' '[[ $(docker info --format {{.Swarm.Error}}) == *"No space left"* ]]'
    try run rm "$state/filler"
    until_ok 20 'it heals' create "$round"
    until_ok 1 'nothing that was acknowledged is lost' kept
  done
fi
until_ok 20 'web runs' running web 1
docker service ls --filter name=web
docker service scale -d web=2
until_ok 30 'web runs twice' running web 2
docker swarm leave --force
if [ "$TARGET" = gam ]; then try lab disk 1 off; fi
