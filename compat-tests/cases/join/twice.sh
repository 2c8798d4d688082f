# about: a host that is in a swarm joins none and makes none
# hosts: 3
swarm_of 2 1
token=$(try docker swarm join-token -q worker)
on 2 docker swarm join --token "$token" "$H1:2377"
on 2 docker swarm join --token x "$H3:1"
on 2 docker swarm init
docker swarm join --token "$token" "$H1:2377"
docker swarm init
on 2 docker swarm init --force-new-cluster
on 3 quiet docker swarm init --advertise-addr "$H3" >/dev/null
on 3 docker swarm join --token "$token" "$H1:2377"
on 3 docker swarm leave --force
on 3 docker swarm join --token "$token" "$H1:2377"
until_ok 20 'three nodes are ready' ready 3
docker node ls --format '{{.Hostname}} {{.Status}}'
