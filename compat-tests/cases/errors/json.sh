# about: bodies that are not the JSON the endpoint takes: truncated, wrong types, null, none, unknown fields, not JSON
# hosts: 1
swarm_init
for path in /services/create /secrets/create /configs/create /networks/create /swarm/update?version=1 /nodes/x/update?version=1; do
  for body in '' '{' '{"Name":"x"' 'null' '[]' '"x"' '7' '{"Name":7}' '{"Name":null}' '{}x' '{"Labels":[]}' '{"NoSuchField":1}'; do
    api POST "$path" "$body"
  done
done
api -H 'Content-Type: text/plain' POST /services/create '{}'
api POST /services/create
sorted docker network ls --format '{{.Name}}'
