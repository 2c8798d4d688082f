# about: init with an expiry that is too short complains only after the swarm is there
# hosts: 1
docker swarm init --advertise-addr "$H1" --cert-expiry 1m
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
docker swarm leave --force
docker swarm init --advertise-addr "$H1" --cert-expiry 1h
api GET /swarm
