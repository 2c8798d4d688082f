# about: a host without its cable for three seconds keeps its tasks
# hosts: 3
swarm_of 3 1
make_service web --replicas 6
until_ok 30 'six tasks run' running web 6
before=$(try docker service ps -q web | sort)
lab cut 2
# Not a wait: for so long the cable is out, and nothing can be observed that would end it.
sleep 3
lab heal 2
make_service each --mode global
until_ok 60 'it is on every host' running each 3
until_ok 30 'three nodes are ready' ready 3
if [ "$before" = "$(try docker service ps -q web | sort)" ]; then run echo the same tasks; else run echo other tasks; fi
docker node ls
docker service ls
