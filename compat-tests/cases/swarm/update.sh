# about: update of the cluster's spec, flag by flag, and what inspect then shows
# hosts: 1
swarm_init
wire docker swarm update --task-history-limit 2
docker swarm update --dispatcher-heartbeat 10s --cert-expiry 72h
docker swarm update --snapshot-interval 500 --max-snapshots 3
docker swarm update
docker swarm update --cert-expiry 1m
docker swarm update --dispatcher-heartbeat -1s
docker swarm update --autolock=maybe
api GET /swarm
