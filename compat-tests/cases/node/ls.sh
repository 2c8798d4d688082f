# about: node ls in its forms, with filters good and bad
# hosts: 1
swarm_init
wire docker node ls
docker node ls -q
docker node ls --format '{{.ID}} {{.Self}} {{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}} {{.TLSStatus}} {{.EngineVersion}}'
docker node ls --filter name=host
docker node ls --filter name=nobody
docker node ls --filter role=manager -q
docker node ls --filter role=worker -q
docker node ls --filter membership=accepted -q
docker node ls --filter membership=pending -q
docker node ls --filter membership=maybe
docker node ls --filter role=boss
docker node ls --filter bogus=x
docker node ls --filter novalue
docker node ls surplus
