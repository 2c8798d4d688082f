# about: API versions too old, too new and odd, on paths of swarm mode and of the engine
# hosts: 1
swarm_init
for path in /nodes /services /networks /containers/json /_ping /info; do
  api GET "/v1.23$path" >/dev/null
  api GET "/v1.52$path" >/dev/null
  api GET "/v2.0$path" >/dev/null
  api GET "/v1$path" >/dev/null
  api GET "/v1.x$path" >/dev/null
done
api GET /v1.44/nodes/nope
api GET /v1.24/nodes/nope
api GET /v1.51/containers/nope/json
api GET /containers/nope/json
docker version --format '{{.Server.Version}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Client.APIVersion}}'
run env DOCKER_API_VERSION=1.30 docker node ls --format '{{.Hostname}}'
run env DOCKER_API_VERSION=1.20 docker node ls
run env DOCKER_API_VERSION=1.60 docker node ls
