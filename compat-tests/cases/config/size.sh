# about: how large a config may be
# hosts: 1
swarm_init
run sh -c 'head -c 1023999 /dev/zero >fits; head -c 1024000 /dev/zero >large; : >empty'
docker config create fits fits
docker config create large large
docker config create empty empty
docker config ls --format '{{.Name}}'
