# about: a join over a line that breaks in the middle leaves the host as it was, and the next one succeeds
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
# What a broken join says depends on the byte after which it breaks, and Docker goes on to try in the background.
if [ "$TARGET" = gam ]; then
  for bytes in 0 1500 5000; do
    try on 2 sh -c "exec busybox nc -ll -p 2999 -e sh -c 'busybox nc $H1 2377 | head -c $bytes' </dev/null >/dev/null 2>&1 & echo \$!" >relay
    # Few bytes are too few for any join; from some number on they suffice. Where it breaks off later than at once it goes on in
    # the background, until somebody leaves.
    if try on 2 docker swarm join --token "$token" 127.0.0.1:2999 >/dev/null && [ $bytes = 0 ]; then
      run echo "joined by $bytes bytes"
    fi
    try on 2 docker swarm leave --force
    until_ok 5 'it is as it was' '[ "$(on 2 docker info --format "{{.Swarm.LocalNodeState}}")" = inactive ]'
    try on 2 kill "$(<relay)"
  done
fi
on 2 docker swarm join --token "$token" "$H1:2377"
until_ok 30 'host 2 is ready' '[ "$(docker node ls --format "{{.Hostname}} {{.Status}}" | grep -c "^host2 Ready")" = 1 ]'
make_service web --replicas 2
until_ok 30 'both tasks run' running web 2
docker service ls
