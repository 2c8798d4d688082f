# about: init with the defaults, its text and the defaults of the cluster's spec
# hosts: 1
docker swarm init --advertise-addr "$H1"
api GET /swarm
