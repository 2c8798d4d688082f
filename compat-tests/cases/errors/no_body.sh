# about: no body is the zero value of what is expected; a body in chunks that holds nothing is a mistake
# hosts: 1
swarm_init
echo 'curl -s -w "%{http_code}\n" --unix-socket ${DOCKER_HOST#unix://} -X POST "$@"' >post
post() { run sh post "$@"; }
for path in services/create swarm/init swarm/join swarm/update?version=1 nodes/x/update?version=1 secrets/create networks/create networks/host/connect containers/create; do
  post -H 'Content-Type: application/json' -H 'Transfer-Encoding: chunked' --data-binary '' "http://docker/$path"
  post -H 'Content-Type: application/json' "http://docker/$path"
  post -H 'Content-Type:' -H 'Transfer-Encoding: chunked' --data-binary '' "http://docker/$path"
  post "http://docker/$path"
done
