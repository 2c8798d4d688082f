# about: every verb on a service that is not there, by command and by API
# hosts: 1
swarm_init
docker service inspect nope
docker service ps nope
docker service logs nope
docker service update -d nope
docker service scale -d nope=1
docker service rollback -d nope
docker service rm nope
api GET /services/nope
api GET /services/nope/logs?stdout=1
api POST /services/nope/update?version=1 '{"Name":"nope","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
api DELETE /services/nope
api GET /tasks/nope
api GET /tasks/nope/logs?stdout=1
api GET '/tasks?filters={"service":["nope"]}'
api GET '/tasks?filters={"node":["nope"]}'
