# about: templates of secrets and configs that refer to a target which the service lacks: the task says which one
# hosts: 1
swarm_init
run sh -c 'printf "a {{ secret \"nope\" }}" >secret; printf "a {{ config \"nope\" }}" >config; printf "{{ secret \"key\" }}{{ secret \"nope\" }}" >after; printf hush >key'
quiet docker secret create key key >/dev/null
for name in secret config after; do
  docker config create --template-driver golang $name $name
  docker secret create --template-driver golang $name $name
  quiet docker service create -q -d --name of-config-$name --restart-condition none --secret key --config $name busybox true >/dev/null
  quiet docker service create -q -d --name of-secret-$name --restart-condition none --secret key --secret $name busybox true >/dev/null
  for of in config secret; do
    until_ok 30 'it failed' '[ "$(docker service ps -q --filter desired-state=shutdown of-'$of-$name' | wc -l)" = 1 ]'
    docker service ps of-$of-$name --no-trunc --format '{{.Error}}'
  done
done
