# about: a worker lets nobody in
# hosts: 3
swarm_of 2 1
for role in worker manager; do
  on 3 docker swarm join --token "$(try docker swarm join-token -q $role)" "$H2:2377"
done
on 3 docker info --format '{{.Swarm.LocalNodeState}}'
docker node ls --format '{{.Hostname}}'
