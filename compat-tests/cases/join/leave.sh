# about: a second host joins as a worker after wrong tries, and leaves
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
on 2 docker swarm join --token x "$H1:2377"
on 2 docker swarm join --token "$token" "$H1:2399"
on 2 docker swarm leave --force
on 2 docker swarm join --advertise-addr "$H2" --token "$token" "$H1:2377"
until_ok 20 'both nodes are ready' '[ "$(docker node ls --format "{{.Status}}" | grep -c Ready)" = 2 ]'
docker node ls
on 2 docker node ls
on 2 docker swarm leave
until_ok 30 'the manager sees host 2 gone' '[ "$(docker node inspect host2 --format "{{.Status.State}}")" = down ]'
docker node rm host2
docker node ls --format '{{.Hostname}} {{.Status}}'
