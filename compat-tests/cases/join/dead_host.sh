# about: joins to ports and hosts that are not there, and addresses that are none
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
for remote in "$H1:2399" "$H2:2377" "$(addr 77):2377" 203.0.113.9:2377 no.such.host:2377 "$H1" "$H1:" "$H1:0" "$H1:70000" "$H1:x" :2377 0.0.0.0:2377 '' "$H1:2377/x" "http://$H1:2377"; do
  on 2 docker swarm join --token "$token" "$remote"
  on 2 quiet docker info --format '{{.Swarm.LocalNodeState}}'
done
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
