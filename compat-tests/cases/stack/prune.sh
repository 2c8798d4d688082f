# about: what a stack no longer names goes only with --prune; what it changed is updated, and everything of others stays
# hosts: 1
swarm_init
service() { printf '  %s: {image: busybox, command: sleep 100000, stop_signal: SIGKILL, deploy: {replicas: %s}}\n' "$1" "$2"; }
{ echo 'services:'; service a 1; service b 2; service c 0; } >three.yml
{ echo 'services:'; service a 2; } >one.yml
deploy() { sorted docker stack deploy --resolve-image never "$@" app; }
make_service app_foreign
deploy -c three.yml
until_ok 40 'they run' running app_b 2
deploy -c one.yml
until_ok 40 'a has two' running app_a 2
docker stack services app --format '{{.Name}} {{.Replicas}}'
deploy --prune -c one.yml
until_ok 40 'b is gone' containers app_b 0
docker stack services app --format '{{.Name}} {{.Replicas}}'
docker service ls --format '{{.Name}}'
# A stack of two files, and one from standard input.
{ echo 'services:'; service a 1; } >more.yml
deploy -c one.yml -c more.yml
until_ok 40 'a has one' running app_a 1
run sh -c 'docker stack deploy --resolve-image never -c - app <three.yml >/dev/null; echo $?'
docker stack services app --format '{{.Name}}'
docker stack rm app
until_ok 20 'its network is gone' '[ -z "$(docker network ls -q --filter name=app_)" ]'
docker stack rm app
until_ok 40 'nothing is left' containers app_a 0
docker service ls --format '{{.Name}}'
