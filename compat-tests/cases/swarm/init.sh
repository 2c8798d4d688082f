# about: init with all its flags, and what inspect and info then say
# hosts: 1
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'
wire docker swarm init --advertise-addr "$H1" --listen-addr 0.0.0.0:2377 --task-history-limit 3 \
  --dispatcher-heartbeat 7s --cert-expiry 48h --snapshot-interval 2000 --max-snapshots 2 \
  --default-addr-pool 10.20.0.0/16 --default-addr-pool-mask-length 26 --availability drain
docker node ls
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Nodes}} {{.Swarm.Managers}} {{.Swarm.NodeAddr}}'
docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
docker network inspect ingress --format '{{json .IPAM}}'
until_ok 20 'the root certificate is in info' '[ -n "$(docker info --format "{{.Swarm.Cluster.TLSInfo.TrustRoot}}")" ]'
api GET /swarm
api GET /info
