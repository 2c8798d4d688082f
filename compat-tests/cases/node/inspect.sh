# about: node inspect by id, name, self and prefix, in full and pretty
# hosts: 1
swarm_init
id=$(try docker node ls -q)
until_ok 20 'the node is ready and has described itself' '[ "$(docker node inspect self --format "{{.Status.State}} {{len .Description.Engine.Plugins}}" | grep -c "ready [1-9]")" = 1 ]'
docker node inspect self
docker node inspect host1 --format '{{.ID}}'
docker node inspect "$id" --format '{{.Description.Hostname}}'
docker node inspect "$(prefix "$id" 6)" --format '{{.ID}}'
docker node inspect --pretty self
api GET "/nodes/$id"
