# about: POST /nodes/ID/update with versions and specs good and bad
# hosts: 1
swarm_init
id=$(try docker node ls -q)
version=$(try api GET "/nodes/$id" | pick Version.Index)
good='{"Role":"manager","Availability":"active","Labels":{"x":"y"}}'
api POST "/nodes/$id/update" "$good"
api POST "/nodes/$id/update?version=x" "$good"
api POST "/nodes/$id/update?version=1" "$good"
api POST "/nodes/nope/update?version=1" "$good"
api POST "/nodes/$id/update?version=$version" '{"Role":"boss","Availability":"active"}'
api POST "/nodes/$id/update?version=$version" '{"Role":"manager","Availability":"lazy"}'
api POST "/nodes/$id/update?version=$version" '{"Role":"worker","Availability":"active"}'
api POST "/nodes/$id/update?version=$version" '{}'
api POST "/nodes/$id/update?version=$version" "$good"
api POST "/nodes/$id/update?version=$version" "$good"
docker node inspect self --format '{{json .Spec}}'
