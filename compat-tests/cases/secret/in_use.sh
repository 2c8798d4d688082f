# about: what a service needs cannot be removed, whether it has tasks or not
# hosts: 1
swarm_init
run sh -c 'printf one >one'
for kind in secret config; do
quiet docker $kind create used one >/dev/null
quiet docker $kind create free one >/dev/null
done
make_service web --secret used --config used --replicas 0
for kind in secret config; do
docker $kind rm used
api DELETE /${kind}s/used
docker $kind rm free
done
docker service update -d --secret-rm used --config-rm used web
docker secret rm used
docker config rm used
docker secret ls -q
docker service rollback -d web
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}'
