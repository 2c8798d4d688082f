# about: a manager that is not the leader is cut off: it refuses, the others go on
# hosts: 3
swarm_of 3 3
lab cut 3
docker service create -d -q --name during --replicas 0 busybox
until_ok 60 'the one that is alone knows it' on 3 leaderless
on 3 docker node ls
on 3 docker service create -d busybox
on 3 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Nodes}} {{.Swarm.Managers}}'
on 2 docker service ls
lab heal 3
until_ok 60 'three managers' reachable 3
until_ok 60 'it serves' on 3 docker node ls
until_ok 60 'three nodes are ready' ready 3
on 3 docker service ls
docker node ls --format '{{.Hostname}} {{.Status}}'
