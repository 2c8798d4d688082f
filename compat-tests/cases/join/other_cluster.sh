# about: a token of one swarm is refused by another, for either role, and says so
# hosts: 3
swarm_init
on 2 quiet docker swarm init --advertise-addr "$H2" >/dev/null
for role in worker manager; do
  token=$(on 2 try docker swarm join-token -q $role)
  on 3 docker swarm join --token "$token" "$H1:2377"
done
on 3 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
on 3 docker swarm join --token "$(try docker swarm join-token -q worker)" "$H1:2377"
docker node ls --format '{{.Hostname}}'
on 2 docker node ls --format '{{.Hostname}}'
