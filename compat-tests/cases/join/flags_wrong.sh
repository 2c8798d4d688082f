# about: the flags of join, used wrongly; the host stays out
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
on 2 docker swarm join
on 2 docker swarm join --token "$token" "$H1:2377" "$H1:2378"
on 2 docker swarm join --token "$token" --availability away "$H1:2377"
on 2 docker swarm join --token "$token" --availability '' "$H1:2377"
on 2 docker swarm join --token "$token" --role manager "$H1:2377"
for address in 10.1.2 nohost eth9 lo:x 0.0.0.0 "$H2:x" "$H2:70000" "$H1" ''; do
  on 2 docker swarm join --token "$token" --advertise-addr "$address" "$H1:2399"
done
for address in 10.1.2 nohost eth9 "$H2:x" "$H1:2377" :2377; do
  on 2 docker swarm join --token "$token" --listen-addr "$address" "$H1:2399"
done
for address in 10.1.2 nohost eth9 0.0.0.0 "$H2:4789"; do
  on 2 docker swarm join --token "$token" --data-path-addr "$address" "$H1:2399"
done
on 2 docker info --format '{{.Swarm.LocalNodeState}}'
