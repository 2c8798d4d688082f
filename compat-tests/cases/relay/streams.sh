# about: a manager reads, copies to and from, waits for and kills a task's container on another host
# hosts: 2
swarm_of 2 1
quiet docker service create -d -q --name talk --restart-condition none --constraint node.hostname==host2 --no-resolve-image \
  busybox sh -c 'echo one; touch /made; while [ ! -e /go ]; do sleep 0.1; done; echo two; exit 5' >/dev/null
make_service victim --replicas 3 --constraint node.hostname==host2 --restart-condition none
until_ok 30 'a task runs' running talk 1
id=$(container 2 talk)
if [ "$TARGET" = gam ]; then from=1; else from=2; fi   # the reference knows of its own containers only
there() { try on $from docker "$@"; }
run echo "logs: $(there logs "$id")"
run echo "diff: $(there diff "$id" | grep made)"
run echo "stats: $(there stats --no-stream --format '{{.ID}}' "$id" | wc -l)"
run echo "port: [$(there port "$id")]"
head -c 20000000 /dev/urandom >"$LAB_DIR/large"
there cp -q "$LAB_DIR/large" "$id:/large"
there cp -q "$id:/large" "$LAB_DIR/back"
run cmp "$LAB_DIR/large" "$LAB_DIR/back"
run echo "sum: $(there exec -i "$id" md5sum <"$LAB_DIR/large" | cut -d' ' -f1 | grep -c "$(md5sum <"$LAB_DIR/large" | cut -d' ' -f1)")"
rm "$LAB_DIR/large" "$LAB_DIR/back"
# Both end with the container.
{ there logs -f "$id"; echo ended; } >"$LAB_DIR/followed" &
there wait "$id" >"$LAB_DIR/waited" &
there exec "$id" touch /go
wait
run echo "followed: $(paste -sd' ' "$LAB_DIR/followed"), waited: $(cat "$LAB_DIR/waited")"
until_ok 20 'the others run' running victim 3
for word in kill 'stop -t 0' 'restart -t 0'; do
  run echo "$word: $(there $word "$(container 2 victim)" | wc -l)"
done
docker service rm talk victim
