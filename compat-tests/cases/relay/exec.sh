# about: a manager runs commands in, and looks at, a task's container on another host
# hosts: 2
swarm_of 2 1
make_service web --replicas 1 --constraint node.hostname==host2
until_ok 30 'a task runs' running web 1
id=$(container 2 web)
if [ "$TARGET" = gam ]; then from=1; else from=2; fi   # the reference knows of its own containers only
name=$(try on 2 engine docker ps --format '{{.Names}}')
for ref in "$id" "${id:0:12}" "$name"; do
  run echo "$(try on $from docker exec "$ref" echo hello) $(echo in | try on $from docker exec -i "$ref" cat)"
done
try on $from docker exec "$id" sh -c 'exit 3'
run echo "exit $?"
run echo "$(try on $from docker inspect "$name" --format '{{.State.Status}}') $(try on $from docker top "$id" | wc -l)"
