# about: the older list of networks, of the service and not of its tasks: kept where it is, by id, changed only by moving
# hosts: 1
swarm_init
quiet docker network create -d overlay one
quiet docker network create -d overlay two
one=$(try docker network inspect -f '{{.Id}}' one)
two=$(try docker network inspect -f '{{.Id}}' two)
template='"TaskTemplate":{"ContainerSpec":{"Image":"busybox:1","Command":["sleep","100000"],"StopSignal":"KILL"}}'
api POST /services/create "{\"Name\":\"web\",$template,\"Networks\":[{\"Target\":\"one\",\"Aliases\":[\"a\"]}]}"
until_ok 30 'a task runs' running web 1
api GET /services/web
api GET /v1.41/services/web
version() { try api GET /services/web | pick Version.Index; }
api POST "/services/web/update?version=$(version)" "{\"Name\":\"web\",$template,\"Networks\":[{\"Target\":\"$two\"}]}"
api POST "/services/web/update?version=$(version)" "{\"Name\":\"web\",$template,\"Networks\":[]}"
api POST "/services/web/update?version=$(version)" \
  "{\"Name\":\"web\",$template,\"Labels\":{\"a\":\"b\"},\"Networks\":[{\"Target\":\"$one\",\"Aliases\":[\"a\"]}]}"
moved='"TaskTemplate":{"ContainerSpec":{"Image":"busybox:1","Command":["sleep","100000"],"StopSignal":"KILL"},"Networks":[{"Target":"two"}]}'
api POST "/services/web/update?version=$(version)" "{\"Name\":\"web\",$moved}"
until_ok 30 'the update is over' eval '[ "$(try docker service inspect -f "{{.UpdateStatus.State}}" web)" = completed ]'
by Spec.Name api GET '/services?filters={"name":["web"]}'
api POST /services/create "{\"Name\":\"both\",$moved,\"Networks\":[{\"Target\":\"nope\"}]}"
docker service inspect -f '{{json .Spec.Networks}} {{json .Spec.TaskTemplate.Networks}}' both
