# about: POST /swarm/update with versions absent, stale, malformed and right, and with wrong specs
# hosts: 1
swarm_init
version=$(try api GET /swarm | pick Version.Index)
api POST /swarm/update '{"Name":"default"}'
api POST /swarm/update?version= '{"Name":"default"}'
api POST /swarm/update?version=x '{"Name":"default"}'
api POST /swarm/update?version=-1 '{"Name":"default"}'
api POST /swarm/update?version=1 '{"Name":"default"}'
api POST /swarm/update?version=18446744073709551616 '{"Name":"default"}'
api POST "/swarm/update?version=$version" '{"Name":"x"}'
api POST "/swarm/update?version=$version&rotateWorkerToken=perhaps" '{"Name":"default"}'
api POST "/swarm/update?version=$version" '{"Name":"default","Labels":{"a":"b"},"Orchestration":{"TaskHistoryRetentionLimit":4}}'
api POST "/swarm/update?version=$version" '{"Name":"default"}'
api GET /swarm
