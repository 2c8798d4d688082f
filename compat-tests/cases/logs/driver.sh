# about: logs of a service whose driver keeps none
# hosts: 1
swarm_init
make_service mute --log-driver none
make_service quiet
until_ok 30 'mute runs' running mute 1
until_ok 30 'quiet runs' running quiet 1
docker service logs quiet
run sh -c 'docker service logs mute 2>&1 | sed "s/ task [^ ]*/ task TASK/"'
docker service logs mute quiet
