# about: a secret's value is on no disk and in no log of a manager or a worker, whose daemon is restarted, and gone after its task
# hosts: 2
swarm_of 2 1
export WORD=correct-horse-battery
run sh -c 'printf %s $WORD >one'
quiet docker secret create s one >/dev/null
make_service web --constraint node.hostname==host2 --secret s
until_ok 40 'the task runs' on 2 containers web 1
export CODED K; CODED=$(printf %s $WORD | base64)
traces() { K=$1 try on "$1" run sh -c 'find /var/lib/gam /var/lib/docker /var/log $LAB_DIR/h$K/gam.log $LAB_DIR/h$K/dockerd.log -xdev -type f -exec grep -lF -e $WORD -e $CODED {} + | wc -l'; }
export LAB_DIR
run sh -c 'find . -type f -exec grep -lF -e $WORD -e $CODED {} + | wc -l'
run echo manager $(traces 1) worker $(traces 2)
daemon stop 2
daemon start 2
until_ok 20 'it answers' on 2 docker info
reads() { [ "$(try on 2 engine docker exec "$(container 2 web)" cat /run/secrets/s)" = $WORD ]; }
until_ok 60 'the task runs, this or another one' reads
until_ok 40 'one is left' on 2 containers web 1
run echo manager $(traces 1) worker $(traces 2)
quiet docker service rm web >/dev/null
until_ok 40 'no container is left' on 2 containers web 0
left() { try on 2 run sh -c 'find /run/gam/tasks -type f 2>/dev/null | wc -l'; }
forgotten() { [ "$(left)" = 0 ]; }
until_ok 20 'its files are gone' forgotten
run echo left $(left)
