# about: the edge of HTTP: no Host, two, an old version, HEAD, methods that a path does not have, many fields, bad escapes
# hosts: 1
swarm_init
# Status line and some fields of an answer.
cat >ask <<'END'
curl -s -o body -D head --max-time 10 --unix-socket ${DOCKER_HOST#unix://} "$@"
tr -d '\r' <head | grep -iE '^(HTTP|Content-Type:|Allow:|Ostype:)' | sed 's/^HTTP.[0-9.]* //'
END
ask() { run sh ask "$@"; }
for path in _ping swarm info services containers/json; do
  ask --http1.0 -H Host: "http://docker/$path"
  ask -H Host: "http://docker/$path"
done
ask -H 'Host: a b' http://docker/swarm
ask -H 'Host: a' -H 'Host: b' http://docker/swarm
ask http://docker/services/%zz
ask 'http://docker/services?filters=%zz'
for path in _ping swarm info version services services/create v1.44/services v1.10/services nodes/x tasks networks networks/x containers/json; do
  ask --head "http://docker/$path"
  ask -X PUT "http://docker/$path"
  ask -X PATCH "http://docker/$path"
done
ask -X DELETE http://docker/swarm
ask -X OPTIONS http://docker/services
many=$(for n in $(seq 490); do echo "-H X-$n:1"; done)
ask $many http://docker/_ping
ask $many http://docker/services
