# about: GET /services with and without status, and its filters
# hosts: 1
swarm_init
make_service one --label a=b
make_service two --replicas 2 --constraint node.role==worker
until_ok 30 'one runs' running one 1
until_ok 10 'the scheduler has said why' '[ -n "$(docker service ps --format "{{.Error}}" two)" ]'
api GET '/services?status=true'
api GET '/services?status=false&filters={"name":["one"]}'
api GET '/services?status=1&filters={"label":["a=b"]}'
api GET '/services?filters={"label":["a=c"]}'
api GET '/services?filters={"runtime":["container"],"name":["two"]}&status=yes'
api GET '/v1.40/services?status=true&filters={"name":["one"]}'
