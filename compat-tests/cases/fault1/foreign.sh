# about: containers that only look like a task's are their owner's: they stay, and never stand for a task
# hosts: 1
swarm_init
make_service web
until_ok 30 'web runs' running web 1
task=$(try engine docker ps -q --no-trunc --filter label=com.docker.swarm.service.name=web)
label() { try engine docker inspect "$task" --format "{{index .Config.Labels \"com.docker.swarm.$1\"}}"; }
own="--label com.docker.swarm.node.id=$(label node.id) --label com.docker.swarm.task.id="
quiet engine docker commit "$task" copied >/dev/null
quiet docker run -d --name labelled --label com.docker.swarm.task.id=foo busybox sleep 100000 >/dev/null
quiet docker run -d --name copied copied >/dev/null
quiet docker run -d --name dead copied false >/dev/null
daemon kill
if [ "$TARGET" = gam ]; then
  # One that really is a leftover of this node: when it is gone, the others were looked at.
  try engine docker run -d --name left.1 $own"$(label task.id | rev)" --label com.docker.swarm.task.name=left.1 busybox sleep 100000
  daemon start
  until_ok 40 'the leftover is gone' '! engine docker inspect left.1'
else
  daemon start
  try engine docker start labelled copied
fi
until_ok 60 'web runs again' running web 1
sorted docker ps -a --filter name=labelled --filter name=copied --filter name=dead --format '{{.Names}} {{.State}}'
quiet docker service rm web >/dev/null
docker swarm leave --force
until_ok 20 'the task is gone' '! engine docker inspect "$task"'
# The reference takes what has its label along, if it runs.
[ "$TARGET" = reference ] || until_ok 1 'the others are there' engine docker inspect labelled copied dead
try docker rm -f labelled copied dead
