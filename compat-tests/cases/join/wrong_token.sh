# about: tokens that are malformed, cut short or wrong are refused, and the host is as before
# hosts: 2
swarm_init
good=$(try docker swarm join-token -q worker)
IFS=- read -r _ _ root secret <<<"$good"
none=0000000000000000000000000
on 2 docker swarm join "$H1:2377"
for token in '' x SWMTKN SWMTKN-1 SWMTKN-1-a-b SWMTKN--- --- "SWMTKN-2-$none$none-$none" "SWMTKN-1-$root-$secret-$none" "swmtkn-1-$none$none-$none" "SWMTKN-1-$none$none-" "SWMTKN-1-$none$none" "$good " "SWMTKN-1-$none-$none$none"; do
  on 2 docker swarm join --token "$token" "$H1:2377"
done
if on 2 try docker swarm join --token "${good%???}" "$H1:2377"; then run echo taken; else run echo 'a token cut short is refused'; fi
on 2 docker swarm join --token "SWMTKN-1-$root-$none" "$H1:2377"
on 2 docker swarm join --token "SWMTKN-1-${none}${none}-$secret" "$H1:2377"
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}} {{.Swarm.Error}}'
on 2 docker swarm leave --force
docker node ls --format '{{.Hostname}} {{.Status}}'
on 2 docker swarm join --token "$good" "$H1:2377"
