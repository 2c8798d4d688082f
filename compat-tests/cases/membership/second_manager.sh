# about: a manager that is not the leader reads and writes like the leader
# hosts: 2
swarm_of 2 2
on 2 docker service create -d -q --name web --stop-signal KILL --replicas 2 busybox sleep 100000
docker service ls
until_ok 30 'both tasks run' on 2 running web 2
on 2 docker service ls
on 2 docker service ps web --format '{{.Name}} {{.Image}} {{.DesiredState}}'
on 2 docker service scale -d web=4
until_ok 30 'four tasks run' on 2 running web 4
on 2 docker service update -d --label-add a=b web
docker service inspect web --format '{{json .Spec.Labels}} {{.Spec.Mode.Replicated.Replicas}}'
on 2 docker service update -d web --image ''
on 2 docker service inspect nope
on 2 docker service create -d --name web busybox
on 2 docker network create -d overlay net
docker network ls --filter scope=swarm --format '{{.Name}}'
on 2 docker node update --label-add x=y host1
docker node inspect host1 --format '{{json .Spec.Labels}}'
on 2 docker node ps host1 --filter desired-state=running --format '{{.Image}}'
on 2 docker service rm web nope
docker service ls
on 2 docker network rm net
