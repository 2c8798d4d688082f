# about: hosts join as managers; each shows the same swarm
# hosts: 3
swarm_init
token=$(docker swarm join-token -q manager)
on 2 docker swarm join --token "$token" "$H1:2377"
until_ok 20 'host 2 is a manager' reachable 2
docker node ls
on 2 docker node ls
on 3 docker swarm join --token "$token" "$H1:2377"
until_ok 20 'host 3 is a manager' reachable 3
on 3 docker node ls
for k in 1 2 3; do on $k docker node inspect self --pretty; done
