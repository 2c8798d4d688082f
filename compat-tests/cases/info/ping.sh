# about: /_ping by GET, HEAD and others, without a swarm and in one
# hosts: 1
api -i GET /_ping
api -i HEAD /_ping
swarm_init
api -i GET /_ping
api -i HEAD /_ping
api -i GET /v1.40/_ping
api POST /_ping
api GET /_ping/x
