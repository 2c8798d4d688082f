# about: hosts join through a manager that is not the leader, with the command that it prints
# hosts: 3
swarm_of 2 2
command=$(on 2 docker swarm join-token worker | grep 'docker swarm join')
on 3 $command
until_ok 20 'three nodes are ready' ready 3
docker node ls
on 3 docker info --format '{{len .Swarm.RemoteManagers}}'
on 3 docker swarm leave
until_ok 20 'host 3 is gone' state host3 down
on 2 docker node rm host3
on 3 docker swarm join --token "$(on 2 try docker swarm join-token -q manager)" "$H2:2377"
until_ok 20 'three managers' reachable 3
on 3 docker node ls
