# about: what is refused of an attach, with and without Upgrade, byte for byte: the answer ends with the connection
# hosts: 1
swarm_init
make_service web
until_ok 30 'the task runs' running web 1
task=$(container 1 web)
quiet docker create --name made busybox true >/dev/null
quiet docker run -d --name paused busybox sleep 100000 >/dev/null
quiet docker pause paused >/dev/null
# attach CONTAINER?QUERY [CURL-FLAG...]
cat >attach <<'END'
target=$1
shift
exec curl -s -i --raw --max-time 10 "$@" -X POST --unix-socket "${DOCKER_HOST#unix://}" \
  "http://d/v1.51/containers/${target%%\?*}/attach?stream=1&stdout=1&${target#*\?}"
END
attach() { run sh attach "$@"; }
for target in 'nope?' 'paused?' 'made?detachKeys=odd' "$task?detachKeys=ctrl-" 'nope?detachKeys=odd'; do
  attach "$target"
  attach "$target" -H 'Connection: Upgrade' -H 'Upgrade: tcp'
  attach "$target" -H 'Connection: close'
  attach "$target" -H 'Connection: Upgrade' -H 'Upgrade: tcp' -H 'Content-Type: text/plain' -d x
done
run docker attach nope
run docker attach made
run docker attach paused
run docker attach --detach-keys odd "$task"
quiet docker unpause paused >/dev/null
quiet docker rm -f paused made >/dev/null
