# about: heads that are no requests, and those that Go refuses
# hosts: 1
swarm_init
# ask FORMAT [WORD]...: sends what printf makes of it, and no more.
cat >ask <<'END'
printf "$@" | $COMPAT_BIN send ${DOCKER_HOST#unix://}
END
ask() { run sh ask "$@"; }
for path in services volumes; do
  for line in "GET /$path HTTP/2.0" "GET /$path HTTP/0.9" "GET /$path" "GET  /$path HTTP/1.1" "GET $path HTTP/1.1" "G@T /$path HTTP/1.1" \
    "GET /$path x HTTP/1.1" "\\r\\nGET /$path HTTP/1.1" " GET /$path HTTP/1.1" garbage "GET /$path HTTP/1.10"; do
    ask "$line\\r\\nHost: d\\r\\nConnection: close\\r\\n\\r\\n"
  done
  for field in 'Expect: bogus' 'Transfer-Encoding: gzip' 'Transfer-Encoding: identity' 'Transfer-Encoding: xchunked' 'Transfer-Encoding: gzip, chunked' \
    ': a' 'X' 'X: a\001b' 'Content-Length: x' 'Content-Length: 1\r\nContent-Length: 2' 'Content-Length: 0\r\nContent-Length: 0' 'X@: 1' \
    'X: a\177b' 'X: é'; do
    ask "GET /$path?filters={} HTTP/1.1\\r\\nHost: d\\r\\nConnection: close\\r\\n$field\\r\\n\\r\\n"
  done
done
many=$(for n in $(seq 600); do echo "X-$n: 1\\r\\n"; done | tr -d '\n')
printf 'printf "GET /services HTTP/1.1\\r\\nHost: d\\r\\n%s\\r\\n" | $COMPAT_BIN send ${DOCKER_HOST#unix://}' "$many" >many
run sh many
