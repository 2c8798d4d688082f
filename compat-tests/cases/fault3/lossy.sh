# about: a host joins and works over a line that loses one packet in ten
# hosts: 2
swarm_init
lab slow 2 0 10
quiet on 2 docker swarm join --token "$(try docker swarm join-token -q worker)" "$H1:2377" >/dev/null
until_ok 60 'both nodes are ready' ready 2
make_service web --replicas 4
until_ok 60 'four tasks run' running web 4
on 2 engine docker ps --format '{{.Image}}'
docker service rm web
until_ok 60 'they are gone' on 2 containers web 0
lab slow 2 off
docker node ls
