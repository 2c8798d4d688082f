# about: a worker and a manager that is not the leader do not reach each other: nobody else notices
# hosts: 3
swarm_of 3 2
lab cut 2-3
make_service web --replicas 3
until_ok 60 'three tasks run' running web 3
on 2 docker service scale -d web=6
until_ok 60 'six tasks run' on 2 running web 6
docker node ls
docker service ls
on 3 engine docker ps --format '{{.Image}}'
lab heal 2-3
docker node ls --format '{{.Hostname}} {{.Status}}'
