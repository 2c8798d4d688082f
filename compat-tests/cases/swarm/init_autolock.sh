# about: init with autolock prints the unlock key, and inspect shows the setting
# hosts: 1
docker swarm init --advertise-addr "$H1" --autolock
docker swarm unlock-key -q
docker swarm update --autolock=true
api GET /swarm/unlockkey
api GET /swarm
