# about: a token whose digest has more than 256 bits names no root
# hosts: 2
swarm_init
good=$(try docker swarm join-token -q worker)
IFS=- read -r _ _ root secret <<<"$good"
# 2^256 - 1 in base 36, one more, and the most that 50 digits can say.
for digest in 6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof 6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtog zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz; do
  on 2 docker swarm join --token "SWMTKN-1-$digest-$secret" "$H1:2377"
done
on 2 docker swarm join --token "SWMTKN-1-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-0000000000000000000000000" "$H1:2377"
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
