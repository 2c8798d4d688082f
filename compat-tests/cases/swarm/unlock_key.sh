# about: the unlock key: none without autolock, shown, quiet and rotated with it, gone when it is switched off
# hosts: 1
swarm_init
docker swarm unlock-key
docker swarm unlock-key -q
docker swarm unlock-key --rotate
docker swarm update --autolock=true
docker swarm unlock-key
docker swarm unlock-key -q
docker swarm unlock-key --rotate -q
docker swarm unlock-key -q
docker swarm unlock </dev/null
api POST /swarm/unlock '{"UnlockKey":"x"}'
docker swarm update --autolock=false
docker swarm unlock-key -q
api GET /swarm/unlockkey
