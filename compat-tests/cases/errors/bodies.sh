# about: bodies that are no chunks, and bodies and heads that break off
# hosts: 1
swarm_init
# ask FORMAT [WORD]...: sends what printf makes of it, and no more.
cat >ask <<'END'
printf "$@" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END
ask() { run sh ask "$@"; }
post() { ask "POST $1 HTTP/1.1\\r\\nHost: d\\r\\nContent-Type: application/json\\r\\n$2\\r\\n\\r\\n$3"; }
for path in services images/json containers/nobody/start; do
  for body in '-1\r\n' '3\r\n{}xx\r\n' '12345678901234567\r\n' '0\r\nbad trailer\r\n\r\n' '0\n\r\n' '5\r\n{'; do
    post /$path 'Transfer-Encoding: chunked' "$body"
  done
  post /$path 'Content-Length: 100' '{}'
done
for path in volumes/create build; do
  for body in '-1\r\n' '12345678901234567\r\n' '0\n\r\n' '5\r\n{'; do
    post /$path 'Transfer-Encoding: chunked' "$body"
  done
  post /$path 'Content-Length: 100' '{'
done
for path in services/create swarm/update?version=1 nodes/x/update?version=1 secrets/create networks/create containers/create volumes/create; do
  post /$path 'Content-Length: 100' ''
  post /$path 'Content-Length: 100' '{"Name":"x"'
  post /$path 'Content-Length: 100' '{"Name":"x"}'
  post /$path 'Content-Length: 100' 'abc'
  post /$path 'Transfer-Encoding: chunked' '64\r\n{"Name":"x"'
done
ask G
ask 'GET /services HTTP/1.1\r\nHost: d\r\n'
ask 'POST /images/json HTTP/1.1\r\nHo'
