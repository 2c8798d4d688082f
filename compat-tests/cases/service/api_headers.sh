# about: content types, missing bodies and old API versions on POST /services/create
# hosts: 1
swarm_init
body='{"Name":"x%s","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}},"Mode":{"Replicated":{"Replicas":0}}}'
api -H 'Content-Type: text/plain' POST /services/create "${body/\%s/}"
api -H 'Content-Type:' POST /services/create "${body/\%s/}"
api -H 'Content-Type: application/x-www-form-urlencoded' POST /services/create "${body/\%s/}"
api -H 'Content-Type: application/json; charset=utf-8' POST /services/create "${body/\%s/}"
api POST /services/create ''
api POST /services/create
api -H 'X-Registry-Auth: nonsense' POST /services/create "${body/\%s/2}"
api POST /v1.24/services/create "${body/\%s/3}"
api POST /v1.23/services/create "${body/\%s/}"
api POST /v1.52/services/create "${body/\%s/}"
api -i GET /services/x
api -i GET /services/nope
api GET /v1.25/services/x
