# about: a host that stands still for three seconds keeps its tasks
# hosts: 3
swarm_of 3 1
make_service web --replicas 6
until_ok 30 'six tasks run' running web 6
before=$(try docker service ps -q web | sort)
lab pause 2
# Not a wait: for so long the host stands still, and nothing can be observed that would end it.
sleep 3
lab resume 2
until_ok 30 'three nodes are ready' ready 3
until_ok 30 'six tasks run' running web 6
docker service update -d --label-add a=b web
if [ "$before" = "$(try docker service ps -q web | sort)" ]; then run echo the same tasks; else run echo other tasks; fi
docker node ls
docker service ls
