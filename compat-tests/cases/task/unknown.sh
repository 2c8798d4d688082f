# about: tasks that are not there, and methods that tasks do not have
# hosts: 1
swarm_init
make_service web --replicas 0
api GET /tasks/nope
api GET /tasks/
api DELETE /tasks/nope
api POST /tasks/nope
api POST /tasks/create '{}'
api GET /tasks/nope/logs
api GET '/tasks?filters={"id":["nope"]}'
api GET '/tasks?filters={"service":["nope"]}'
api GET '/tasks?filters={"service":["web"]}'
docker inspect --type task nope
docker inspect --type service nope
docker inspect --type node nope
docker inspect --type network nope
docker inspect nope
