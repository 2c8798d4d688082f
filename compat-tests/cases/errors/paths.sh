# about: unknown paths, wrong methods and odd names below swarm mode's paths
# hosts: 1
swarm_init
api GET /swarm/nope
api DELETE /swarm
api POST /services
api PUT /services/create '{}'
api GET /services/create
api GET /services/a/b/c
api GET /services/
api GET //services
api GET /v1.44/services
api GET /v1.10/services
api GET /v9.99/services
api GET /vx/services
api GET /services/%2e%2e%2fnodes
api GET /services/a%2fb
api GET '/services/a%20b'
api GET /services/%ff
api GET /nodes/..
api GET "/services/$(printf 'x%.0s' {1..300})"
