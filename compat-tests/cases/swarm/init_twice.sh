# about: init and join on a node that is in a swarm already
# hosts: 1
swarm_init
docker swarm init --advertise-addr "$H1"
docker swarm join --token x "$H1:2377"
api POST /swarm/init '{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"127.0.0.1"}'
api POST /swarm/join '{"RemoteAddrs":["127.0.0.1:2377"],"JoinToken":"x"}'
docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'
