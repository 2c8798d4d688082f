# about: init refused for wrong flags, and that nothing came of it
# hosts: 1
docker swarm init --advertise-addr 300.1.1.1
docker swarm init --advertise-addr "$H1" --listen-addr nonsense
docker swarm init --advertise-addr no-such-link
docker swarm init --advertise-addr "$H1" --availability sometimes
docker swarm init --advertise-addr "$H1" --dispatcher-heartbeat soon
docker swarm init --advertise-addr "$H1" --default-addr-pool 10.20.0.0/33
docker swarm init --advertise-addr "$H1" --default-addr-pool 10.20.0.0/16 --default-addr-pool-mask-length 12
docker swarm init --advertise-addr "$H1" --data-path-port 80
docker swarm init --advertise-addr "$H1" --data-path-addr 300.1.1.1
docker swarm init --advertise-addr "$H1" --external-ca nonsense
docker swarm init --advertise-addr "$H1" --no-such-flag
docker swarm init --advertise-addr "$H1" surplus
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
