# about: joins to addresses that are none
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
for remote in "$H1:0" "$H1:70000" "$H1:x" "$H1:2377/x" "http://$H1:2377" '' ' ' x: '[::1' "$H1,$H1" "$H1:2377:1"; do
  on 2 docker swarm join --token "$token" --advertise-addr "$H2" "$remote"
done
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
on 2 docker swarm join --token "$token" "$H1"
