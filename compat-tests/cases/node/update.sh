# about: availability and labels of a node, changed and refused
# hosts: 1
swarm_init
id=$(try docker node ls -q)
wire docker node update --availability pause --label-add a=1 --label-add b host1
docker node inspect self --format '{{json .Spec}}'
docker node update --label-add a=2 --label-rm b "$id"
docker node inspect self --format '{{json .Spec}}'
docker node update --availability drain "$(prefix "$id" 8)"
docker node ls --format '{{.Hostname}} {{.Availability}}'
docker node update --availability active host1
docker node update --availability lazy host1
docker node update --label-rm nothere host1
docker node update host1
docker node update --role worker host1
docker node update --role boss host1
docker node demote host1
docker node promote host1
docker node update --availability drain self
docker node inspect self --format '{{json .Spec}}'
