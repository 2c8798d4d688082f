# about: a host that left and joins again is a new node beside the old one, which is down
# hosts: 2
swarm_of 2 1
docker node ls
on 2 docker swarm leave
until_ok 20 'host 2 is down' state host2 down
old=$(try docker node ls -q --filter role=worker)
swarm_join 2
until_ok 20 'the new one is ready' ready 2
sorted docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
docker node rm host2
docker node rm "$old"
docker node ls
docker node rm "$old"
on 2 docker info --format '{{.Swarm.LocalNodeState}}'
