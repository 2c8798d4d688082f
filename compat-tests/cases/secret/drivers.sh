# about: drivers of secrets that nobody has, and fields of drivers
# hosts: 1
swarm_init
api POST /secrets/create '{"Name":"a","Driver":{"Name":"nope"}}'
api POST /secrets/create '{"Name":"a","Driver":{}}'
api POST /secrets/create '{"Name":"a","Driver":{"Name":"nope"},"Data":"aGk="}'
docker secret create --driver nope a
run sh -c 'printf one >one'
docker secret create --driver nope a one
api GET /secrets
