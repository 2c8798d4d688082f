# about: the flags of join, used wrongly; what is well-formed comes as far as the token, which is none
# hosts: 2
on 2 docker swarm join
on 2 docker swarm join --token x "$H1:2377" "$H1:2378"
on 2 docker swarm join --token x --role manager "$H1:2377"
for word in away '' Drain; do on 2 docker swarm join --token x --availability "$word" "$H1:2377"; done
for address in 10.1.2 nohost eth9 lo 0.0.0.0 "$H2:x" "$H2:70000" "$H2:" "$H1" docker0 ''; do
  on 2 docker swarm join --token x --advertise-addr "$address" "$H1:2377"
done
for address in 10.1.2 nohost eth9 lo "$H2:x" "$H1:2377" :2377 "$H2" eth0:99 ''; do
  on 2 docker swarm join --token x --listen-addr "$address" "$H1:2377"
done
for address in 10.1.2 nohost eth9 lo 0.0.0.0 "$H2:4789" "$H1" ''; do
  on 2 docker swarm join --token x --data-path-addr "$address" "$H1:2377"
done
on 2 docker info --format '{{.Swarm.LocalNodeState}}'
