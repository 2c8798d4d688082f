# about: a stack command that waits: until all tasks run, and until none does
# hosts: 1
swarm_init
printf 'services:\n  web: {image: busybox, command: sleep 100000, stop_grace_period: 2s, deploy: {replicas: 2, update_config: {monitor: 500ms}}}\n' >good.yml
docker stack deploy --resolve-image never --detach=false --quiet -c good.yml app
docker stack services app --format '{{.Name}} {{.Replicas}}'
docker stack deploy --resolve-image never --detach=false --quiet -c good.yml app
docker stack rm --detach=false app
engine docker ps -q
docker stack ls
