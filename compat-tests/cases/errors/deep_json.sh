# about: bodies that nest deeply where nobody looks are read, up to Go's limit of ten thousand levels
# hosts: 1
swarm_init
# nest LEVELS PATH: posts a body with so many lists in each other.
cat >nest <<'END'
{ printf '{"Name":"x","Nothing":'; head -c $1 /dev/zero | tr '\0' '['; head -c $1 /dev/zero | tr '\0' ']'; echo '}'; } >body
curl -s -w '%{http_code}\n' --unix-socket ${DOCKER_HOST#unix://} -H 'Content-Type: application/json' --data-binary @body "http://docker$2"
END
nest() { run sh nest "$@"; }
for levels in 100 127 128 5000 9999 10000; do
  nest $levels /services/create
  nest $levels '/swarm/update?version=1'
done
nest 9999 '/nodes/x/update?version=1'
nest 10000 /networks/create
