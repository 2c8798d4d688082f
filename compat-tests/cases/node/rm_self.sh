# about: the only manager cannot be removed, by any of its names
# hosts: 1
swarm_init
id=$(try docker node ls -q)
wire docker node rm "$id"
docker node rm host1
docker node rm --force host1
docker node rm self
api DELETE "/nodes/$id"
api DELETE "/nodes/$id?force=1"
docker node ls
