# about: managers of a locked swarm: a joined one locks too at its restart, and its sentences
# hosts: 2
swarm_of 2 2 --autolock
key=$(docker swarm unlock-key -q)
on 2 docker swarm unlock-key -q
on 2 docker swarm unlock
daemon kill 2
daemon start 2
on 2 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Error}}'
on 2 docker node ls
on 2 docker swarm unlock-key
on 2 docker swarm join --token x "$H1:2377"
on 2 docker swarm leave
on 2 run sh -c 'echo SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA | docker swarm unlock'
on 2 run sh -c 'echo x | docker swarm unlock'
on 2 api POST /swarm/unlock "{\"UnlockKey\":\"$key\"}"
until_ok 30 'host 2 is a manager again' reachable 2
until_ok 30 'both are ready' ready 2
on 2 docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}' 
docker swarm update --autolock=false
on 2 docker swarm unlock-key
