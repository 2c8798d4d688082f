# about: swarm update and rotation of tokens through a manager that is not the leader
# hosts: 2
swarm_of 2 2
on 2 docker swarm update --task-history-limit 7 --dispatcher-heartbeat 9s --cert-expiry 48h
docker swarm update --cert-expiry 5m
on 2 docker swarm update --cert-expiry 1m
on 2 docker swarm update
on 2 docker swarm join-token worker
on 2 docker swarm join-token --rotate worker
docker swarm join-token -q worker
on 2 docker swarm join-token --rotate -q manager
docker swarm join-token manager
on 2 docker swarm join-token neither
on 2 docker swarm join-token
on 2 docker swarm update --autolock
on 2 docker swarm unlock-key --rotate -q
docker swarm unlock-key
on 2 api GET /swarm
