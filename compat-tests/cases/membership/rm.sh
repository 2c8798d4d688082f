# about: which nodes can be removed: not those that are ready, nor managers; with force any worker
# hosts: 3
swarm_of 3 2
docker node rm host3
docker node rm host2
docker node rm --force host2
docker node rm host1
docker node rm nope host3
id=$(try docker node inspect host3 --format '{{.ID}}')
api DELETE "/nodes/$id"
api DELETE "/nodes/$id?force=x"
on 2 docker node rm --force host3
docker node ls
docker node inspect host3
api DELETE "/nodes/$id?force=1"
on 3 docker swarm leave
on 3 docker swarm join --token "$(try docker swarm join-token -q worker)" "$H1:2377"
until_ok 20 'three nodes are ready' ready 3
docker node ls
