# about: joins to ports and hosts that are not there fail
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
for remote in "$H1:2399" "$H2:2377" 203.0.113.9:2377; do
  on 2 docker swarm join --token "$token" "$remote"
done
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
on 2 docker swarm leave
on 2 docker swarm init --advertise-addr "$H2"
