# about: bad bodies on a node without a swarm: what is noticed first
# hosts: 1
for path in /swarm/init /swarm/join /swarm/unlock /services/create /secrets/create /configs/create; do
  for body in '' '{' 'null' '[]' '{"Name":7}' '{"NoSuchField":1}'; do
    api POST "$path" "$body"
  done
done
api -H 'Content-Type: text/plain' POST /swarm/init '{}'
docker info --format '{{.Swarm.LocalNodeState}}'
