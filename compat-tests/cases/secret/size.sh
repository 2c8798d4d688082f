# about: how large a secret may be
# hosts: 1
swarm_init
run sh -c 'head -c 511999 /dev/zero >fits; head -c 512000 /dev/zero >large; : >empty'
docker secret create fits fits
docker secret create large large
docker secret create empty empty
docker secret ls --format '{{.Name}}'
