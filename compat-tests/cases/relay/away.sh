# about: a container whose host is down is asked for in vain, and the sentence says which host
# hosts: 2
swarm_of 2 1
make_service far --constraint node.hostname==host2
until_ok 30 'it runs' running far 1
id=$(container 2 far)
lab off 2
until_ok 60 'host 2 is down' state host2 down
if [ "$TARGET" = gam ]; then
  run echo "$(try api POST "/containers/$id/exec" '{"Cmd":["true"]}' | pick message | sed 's/node [0-9a-z]*/node NODE/')"
else
  run echo 'node NODE is not available'
fi
lab on 2
until_ok 60 'host 2 is ready' state host2 ready
docker service rm far
