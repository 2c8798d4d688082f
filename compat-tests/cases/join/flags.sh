# about: the flags of join, used well
# hosts: 3
swarm_init
token=$(try docker swarm join-token -q worker)
on 2 docker swarm join --token "$token" --availability drain --advertise-addr "$H2" --listen-addr "$H2:2377" --data-path-addr "$H2" "$H1:2377"
on 3 docker swarm join --token "$token" --availability Pause --advertise-addr eth0:2399 --listen-addr eth0:2399 --data-path-addr eth0 "$H1"
until_ok 20 'three nodes are ready' ready 3
docker node ls
for k in 2 3; do docker node inspect host$k --format '{{.Spec.Availability}} {{.Spec.Role}} {{.Status.Addr}} {{.ManagerStatus}}'; done
for k in 2 3; do on $k docker info --format '{{.Swarm.NodeAddr}} {{.Swarm.LocalNodeState}}'; done
docker node promote host3
until_ok 20 'host 3 is a manager' reachable 2
docker node inspect host3 --format '{{.Status.Addr}} {{.ManagerStatus.Addr}} {{.ManagerStatus.Reachability}}'
