# about: service inspect by name, id and prefix, several at once, some unknown, with defaults inserted
# hosts: 1
swarm_init
make_service web --replicas 0
make_service db --replicas 0
id=$(try docker service inspect web --format "{{.ID}}")
docker service inspect "$id" --format '{{.Spec.Name}}'
docker service inspect "$(prefix "$id" 8)" --format '{{.ID}}'
docker service inspect web db --format '{{.Spec.Name}} {{json .Spec.Mode}}'
docker service inspect web nope --format '{{.Spec.Name}}'
docker service inspect nope
docker service inspect --pretty nope
docker service inspect
docker service inspect web --format '{{.Nope}}'
docker service inspect web --format '{{'
docker service inspect --pretty --format x web
wire docker service inspect db --format '{{.ID}}'
api GET /services/web?insertDefaults=true
api GET /services/web?insertDefaults=0
api GET /services/web?insertDefaults=maybe
api GET /services/web?insertDefaults=
api GET "/services/$(prefix "$id" 10)?insertDefaults=false"
