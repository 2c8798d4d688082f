# about: availability and labels of a node, changed and refused
# hosts: 1
swarm_init
wire docker node update --availability pause --label-add a=1 --label-add b self
docker node inspect self --format '{{json .Spec}}'
docker node update --label-add a=2 --label-rm b self
docker node inspect self --format '{{json .Spec}}'
docker node update --availability drain self
docker node ls --format '{{.Hostname}} {{.Availability}}'
docker node update --availability active host1
docker node update --availability lazy self
docker node update --label-rm nothere self
docker node update self
docker node update --role worker self
docker node demote self
docker node promote self
docker node inspect self --format '{{json .Spec}}'
