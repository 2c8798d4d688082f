# about: a worker that is removed while it is away, and comes back: what it says of itself; it can leave and join again
# hosts: 2
swarm_of 2 1
make_service web --replicas 2
until_ok 30 'two tasks run' running web 2
docker node ls
daemon kill 2
until_ok 60 'host 2 is down' state host2 down
docker node rm host2
docker node ls
until_ok 30 'both tasks run on host 1' containers web 2
daemon start 2
until_ok 30 'the daemon of host 2 answers' on 2 docker info
until_ok 60 'none of its tasks runs any more' on 2 containers web 0
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'
on 2 docker info --format '{{.Swarm.Error}}'
on 2 docker node ls
docker node ls
on 2 docker swarm leave --force
on 2 docker info --format '{{.Swarm.LocalNodeState}} [{{.Swarm.Error}}]'
on 2 docker swarm join --token "$(try docker swarm join-token -q worker)" "$H1:2377"
until_ok 30 'two nodes are ready' ready 2
docker node ls
