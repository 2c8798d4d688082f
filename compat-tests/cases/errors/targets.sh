# about: targets with bytes that a URI has to escape and Go takes as they are; long ones
# hosts: 1
# How long a call may be depends on whether Gam, since its start, has known a swarm network that a container was on.
try daemon stop 1
try daemon start 1
swarm_init
# ask FORMAT [WORD]...: sends what printf makes of it, and no more.
cat >ask <<'END'
printf "$@" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END
ask() { run sh ask "$@"; }
get() { ask 'GET %s HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n' "$1"; }
for path in services networks tasks containers/json volumes; do
  get "/$path?filters={\"name\":[\"nobody\"]}"
  get "/v1.44/$path?filters={\"nothing\":{\"x\":true}}"
done
get '/services?filters=a|b^c`d<e>\'
for name in 'a"b' 'a{b}' 'a\b' 'a^b|c`<>' 'a#b' 'aé'; do
  get "/services/$name"
  get "/containers/$name/json"
done
get '/services#x'
get '/services?filters={"name":["nobody"]}#x'
# More than 64 KiB.
cat >many <<'END'
ids=$(seq 100000000000 100000006000 | sed 's/.*/"&"/' | paste -sd,)
printf 'GET %s?filters={"id":[%s]} HTTP/1.1\r\nHost: d\r\n\r\n' $1 "$ids" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END
run sh many /containers/json
run sh many /v1.44/containers/json
run sh many /images/json
