# about: commands on nodes that are not there
# hosts: 1
swarm_init
docker node inspect nope
docker node inspect nope self --format '{{.Spec.Role}}'
docker node update --availability drain nope
docker node promote nope
docker node demote nope
docker node rm nope
docker node rm -f nope
docker node ps nope
docker node inspect
docker node rm
wire docker node inspect nope
api DELETE /nodes/nope
api GET /nodes/self
