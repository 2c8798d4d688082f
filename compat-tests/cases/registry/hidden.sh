# about: the credential of a service is in no answer: service, previous spec, tasks, container, events
# hosts: 1
lab registry 1
publish one:1 one:2
swarm_init
log_in
docker service create -d --name web --with-registry-auth --stop-signal KILL $REGISTRY/one:1 sleep 100000
until_ok 40 'it runs' running web 1
docker service update -d --with-registry-auth --image $REGISTRY/one:2 web
until_ok 40 'it is updated' '[ "$(try docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
secret=$(auth gam hush-hush)
plain=$(printf gam:hush-hush | base64)
for path in /services /services/web '/services/web?insertDefaults=1' /tasks /nodes /info "/events?since=0&until=$(date +%s)" /swarm; do
  found=$(try api GET "$path" | grep -c -e "${secret:0:30}" -e "$plain" -e hush-hush -e PullOptions -e RegistryAuth)
  run echo "${path%%\?*} $found"
done
found=$(try engine docker inspect "$(container 1 web)" | grep -c -e "${secret:0:30}" -e "$plain" -e hush-hush)
run echo "container $found"
api GET /services/web
