# about: a join to a host that does not answer ends after a while; then the host is as it was, or is told how to be so
# hosts: 2
swarm_init
on 2 docker swarm join --token "$(try docker swarm join-token -q worker)" "$(addr 77):2377"
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
on 2 docker node ls
on 2 docker swarm leave
on 2 docker swarm join --token "$(try docker swarm join-token -q worker)" "$H1:2377"
