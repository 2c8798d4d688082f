# about: an engine that was restarted with other labels and resources is known to be another within seconds
# hosts: 1
swarm_init
labels() { docker node inspect self --format '{{json .Description.Engine.Labels}}'; }
labels
lab flags 1 --label disk=ssd --label rack=7 --node-generic-resource gpu=2
until_ok 8 'the labels are told' '[ "$(docker node inspect self --format "{{json .Description.Engine.Labels}}")" != null ]'
docker node inspect self --format '{{json .Description.Engine.Labels}} {{json .Description.Resources.GenericResources}}'
make_service web --constraint engine.labels.disk==ssd
until_ok 20 'the scheduler knows them' running web 1
docker service rm web
until_ok 20 'its container is gone' containers web 0
