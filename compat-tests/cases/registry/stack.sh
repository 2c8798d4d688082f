# about: docker stack deploy --with-registry-auth, and --resolve-image always, changed, never
# hosts: 1
lab registry 1
publish one:1 one:2
swarm_init
log_in
image() { docker service inspect "s_$1" --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}'; }
deploy() { # deploy WORD IMAGE: a stack with the service named after the word
  printf 'services:\n  %s:\n    image: %s\n    command: sleep 100000\n    stop_signal: KILL\n' "$1" "$REGISTRY/$2" >stack.yml
  docker stack deploy -d --with-registry-auth --resolve-image "$1" -c stack.yml s
}
for how in always changed never; do
  deploy $how one:1
  until_ok 40 'it runs' running s_$how 1
  image $how
  deploy $how one:1
  image $how
  deploy $how one:2
  image $how
done
quiet docker stack rm -d s >/dev/null
