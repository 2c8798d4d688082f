# about: somebody else has the port for other nodes, or the address to listen on is none of the host's
# hosts: 1
try run sh -c 'busybox httpd -f -p 127.0.0.1:2377 -h /etc >/dev/null 2>&1 & echo $! >httpd.pid'
until_ok 10 'the port is taken' run curl -s -o /dev/null http://127.0.0.1:2377/
docker swarm init --advertise-addr "$H1"
docker swarm init --advertise-addr "$H1" --listen-addr 127.0.0.1:2377
try run sh -c 'kill "$(cat httpd.pid)"'
docker swarm init --advertise-addr "$H1" --listen-addr 192.0.2.1:2377
docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}'
docker swarm init --advertise-addr "$H1"
docker node ls --format '{{.Status}}'
