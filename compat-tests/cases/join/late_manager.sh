# about: a join that no manager answered goes on in the background, and ends well once one can be reached
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
lab cut 1-2
on 2 docker swarm join --token "$token" "$H1:2377"
on 2 docker swarm init
lab heal 1-2
until_ok 60 'both nodes are ready' ready 2
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
