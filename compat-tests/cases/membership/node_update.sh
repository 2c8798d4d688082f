# about: node update through another manager: labels, availability and role, well and wrongly
# hosts: 3
swarm_of 3 2
on 2 docker node update --label-add a=1 --label-add b=2 host3
on 2 docker node update --label-rm a --label-rm nope host3
on 2 docker node inspect host3 --format '{{json .Spec}}'
for word in pause drain active Drain away ''; do on 2 docker node update --availability "$word" host3; docker node inspect host3 --format '{{.Spec.Availability}}'; done
on 2 docker node update --role boss host3
on 2 docker node update --role '' host3
on 2 docker node update nope
on 2 docker node update --availability drain nope
on 2 docker node update
on 2 docker node update --label-add x=y host2 host3
id=$(try docker node inspect host3 --format '{{.ID}}')
on 2 api POST "/nodes/$id/update" '{"Role":"worker","Availability":"active"}'
on 2 api POST "/nodes/$id/update?version=1" '{"Role":"worker","Availability":"active"}'
on 2 api POST "/nodes/$id/update?version=$(try api GET "/nodes/$id" | pick Version.Index)" '{"Role":"worker","Availability":"away"}'
on 2 api POST "/nodes/$id/update?version=$(try api GET "/nodes/$id" | pick Version.Index)" '{"Role":"boss","Availability":"active"}'
on 2 api POST "/nodes/$id/update?version=$(try api GET "/nodes/$id" | pick Version.Index)" '{"Name":"third","Labels":{"z":"1"},"Role":"worker","Availability":"pause"}'
docker node ls
docker node inspect host3 --format '{{json .Spec}}'
docker node inspect third
