# about: a global job that fails on two hosts and is not to be restarted is left, or is it
# hosts: 2
swarm_of 2 1
docker service create -q -d --name job --mode global-job --restart-condition none busybox false
until_ok 60 'it failed on both' '[ "$(docker service ps job --format "{{.Node}} {{.CurrentState}}" | grep Failed | cut -d" " -f1 | sort -u | wc -l)" = 2 ]'
run sh -c 'for try in $(seq 100); do [ "$(docker service ps -q job | wc -l)" -gt 4 ] && echo "it is tried again" && exit; sleep 0.1; done; echo "it is not"'
docker service rm job
