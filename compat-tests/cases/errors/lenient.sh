# about: heads and bodies that no client should send and Go takes: folded fields, later versions, codings of HTTP/1.0, texts that are no Unicode
# hosts: 1
swarm_init
# ask FORMAT [WORD]...: sends what printf makes of it, and no more.
cat >ask <<'END2'
printf "$@" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END2
ask() { run sh ask "$@"; }
for path in services volumes; do
  # Fields folded over lines: before the value, in it, after it, with a tab, with nothing but blanks, as the first.
  for fields in 'Host: d\r\nX: a\r\n b\r\n' 'Host:\r\n d\r\n' 'Host: d\r\n \r\n' 'Host: d\n\tx\n' 'Host: d\r\nX\r\n : a\r\n' ' Host: d\r\n' \
    'Host: d\r\nContent-Length: 1\r\n 0\r\n' 'Host: d\r\nContent-Length:\r\n 0\r\n' 'Host: d\r\nTransfer-Encoding: chun\r\n ked\r\n' \
    'Host: d\r\nTransfer-Encoding: identity,\r\n chunked\r\n' 'Host: d\r\nX: a\r\r\n b\r\n' 'Host: d\r\nX : a\r\n' 'Host: d\r\nX Y: a\r\n'; do
    ask "GET /$path?filters={} HTTP/1.1\\r\\n${fields}Connection: close\\r\\n\\r\\n"
  done
  # Lengths.
  for field in 'Content-Length:' 'Content-Length: ' 'Content-Length:\r\nContent-Length: 0' 'Content-Length: 00\r\nContent-Length: 0' 'Content-Length: 00' \
    'Content-Length: +0' 'Content-Length: 0, 0' 'Content-Length: 9223372036854775808' 'Content-Length: 18446744073709551616' 'Expect:' \
    'Content-Length: x\r\nTransfer-Encoding: gzip'; do
    ask "GET /$path?filters={} HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n$field\\r\\n\\r\\n"
  done
  # Both ways of telling the end of a body.
  ask "GET /$path?filters={} HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\nContent-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n"
  # Versions.
  for version in 1.2 1.9 1.0 1.01 01.1 1 1.x 3.0; do
    ask "GET /$path?filters={} HTTP/$version\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n"
  done
  ask "GET /$path?filters={} HTTP/1.2\\r\\nConnection: close\\r\\n\\r\\n"
  # HTTP/1.0 has no codings.
  for field in 'Transfer-Encoding: chunked' 'Transfer-Encoding: gzip' 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'; do
    ask "GET /$path?filters={} HTTP/1.0\\r\\n$field\\r\\n\\r\\n"
  done
done
# post PATH BODY [VERSION] [FIELD]: BODY is a format, too.
cat >post <<'END2'
body=$(printf "$2")
printf 'POST %s HTTP/%s\r\nHost: d\r\nConnection: close\r\nContent-Type: application/json\r\n%sContent-Length: %s\r\n\r\n%s' \
  "$1" "${3:-1.1}" "$(printf "$4")" "$(printf "$2" | wc -c)" "$body" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END2
post() { run sh post "$@"; }
post /networks/create '{"Name":"coded","Driver":"overlay"}' 1.0 'Transfer-Encoding: chunked\r\n.'
post /networks/create '{"Name":"later","Driver":"overlay"}' 1.2
# Texts that are no Unicode.
for text in '\377' '\342\202' '\355\240\200\342\202\254' '\\ud83d' '\\ud83d\\ude00' '\\ude00x'; do
  post /networks/create '{"Name":"text","Driver":"overlay","Labels":{"l":"a'"$text"'b"}}'
  docker network inspect text --format '{{json .Labels}}'
  docker network rm text
done
post /networks/create '{"Name":"a\377","Driver":"overlay"}'
post /networks/create '{"Name":\377,"Driver":"overlay"}'
post /networks/create '{\377"Name":"x","Driver":"overlay"}'
ask 'GET /services/a%%ff%%e2%%82b HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n'
ask 'GET /services?filters={"name":["%%ff"],"\377":["x"]} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n'
# A query of more than 64 KiB.
cat >many <<'END2'
ids=$(seq 100000000000 100000006000 | sed 's/.*/"&"/' | paste -sd,)
printf 'GET %s?filters={"id":[%s]} HTTP/1.1\r\nHost: d\r\n\r\n' $1 "$ids" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END2
for path in /services /v1.44/tasks /nodes; do run sh many $path; done
sorted docker network ls --filter driver=overlay --format '{{.Name}}'
