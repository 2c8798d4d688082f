# about: a secret that is put into other secrets and configs is on no disk and in no log of a manager or a worker, nor what is wrong in one
# hosts: 2
swarm_of 2 1
export WORD=correct-horse-battery
run sh -c 'printf %s $WORD >one; printf "{{ secret \"s\" }}" >two; printf "{{ $(printf %s $WORD | tr -d -) }}" >bad'
quiet docker secret create s one >/dev/null
quiet docker secret create --template-driver golang t two >/dev/null
quiet docker secret create --template-driver golang bad bad >/dev/null
quiet docker config create --template-driver golang c two >/dev/null
run rm one bad
make_service web --constraint node.hostname==host2 --secret s --secret t --config source=c,target=/etc/c
quiet docker service create -d -q --name bad --constraint node.hostname==host2 --restart-condition none --secret bad busybox true >/dev/null
until_ok 40 'the task runs' on 2 containers web 1
until_ok 40 'the other is refused' '[ "$(docker service ps -q --filter desired-state=shutdown bad | wc -l)" = 1 ]'
has() { [ "$(try on 2 engine docker exec "$(container 2 web)" cat "$1")" = $WORD ]; }
until_ok 10 'the secret is in the other' has /run/secrets/t
until_ok 10 'and in the config' has /etc/c
export CODED K BARE LAB_DIR; CODED=$(printf %s $WORD | base64); BARE=$(printf %s $WORD | tr -d -)
traces() { K=$1 try on "$1" run sh -c 'find /var/lib/gam /var/lib/docker /var/log $LAB_DIR/h$K/gam.log $LAB_DIR/h$K/dockerd.log -xdev -type f -exec grep -lF -e $WORD -e $CODED "$@" {} + | wc -l' sh "${@:2}"; }
# What Docker tells of the template that is wrong has its words, and its managers keep it.
if [ "$TARGET" = gam ]; then run echo manager $(traces 1 -e $BARE) worker $(traces 2 -e $BARE); else run echo manager $(traces 1) worker $(traces 2); fi
docker service inspect web --format '{{len .Spec.TaskTemplate.ContainerSpec.Secrets}}'
