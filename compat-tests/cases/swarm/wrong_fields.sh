# about: what the API refuses of single fields of the swarm's and of a node's spec
# hosts: 1
begin() { api POST /swarm/init "{\"AdvertiseAddr\":\"$H1\",\"ListenAddr\":\"0.0.0.0:2377\"$1}"; }
begin ',"SubnetSize":30,"DefaultAddrPool":["10.1.0.0/16"]'
begin ',"SubnetSize":8,"DefaultAddrPool":["10.1.0.0/16"]'
begin ',"DefaultAddrPool":["10.1.0.0"]'
begin ',"DataPathPort":80'
begin ',"Availability":"odd"'
docker info --format '{{.Swarm.LocalNodeState}}'
swarm_init
change() { api POST "/swarm/update?version=$(try api GET /swarm | pick Version.Index)" "{\"Name\":\"default\"$1}"; }
change ',"CAConfig":{"ExternalCAs":[{"Protocol":"odd","URL":"https://x"}]}'
change ',"CAConfig":{"SigningCAKey":"x"}'
change ',"CAConfig":{"NodeCertExpiry":1}'
change ',"Dispatcher":{"HeartbeatPeriod":-1}'
change ',"Raft":{"SnapshotInterval":-1}'
change ',"Raft":{"ElectionTick":"x"}'
change ',"Orchestration":{"TaskHistoryRetentionLimit":1.5}'
change ',"EncryptionConfig":{"AutoLockManagers":1}'
change ',"Labels":{"a":1}'
api POST "/swarm/update?version=$(try api GET /swarm | pick Version.Index)" '{"Name":"other"}'
id=$(try docker node ls -q)
node() { api POST "/nodes/$id/update?version=$(try docker node inspect self | pick 0.Version.Index)" "$1"; }
node '{"Role":"odd","Availability":"active"}'
node '{"Role":"manager","Availability":"odd"}'
node '{"Role":"manager"}'
node '{"Role":"worker","Availability":"active"}'
node '{"Role":"manager","Availability":"active","Labels":{"a":1}}'
