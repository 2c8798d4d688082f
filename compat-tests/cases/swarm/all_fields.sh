# about: the swarm and a node with every field of their specs, as they are read back
# hosts: 1
swarm_init
change() { api POST "/swarm/update?version=$(try api GET /swarm | pick Version.Index)" "{\"Name\":\"default\"$1}" >/dev/null; }
spec() { docker info --format '{{json .Swarm.Cluster.Spec}}'; }
change ',"Labels":{"a":"b"},"Orchestration":{"TaskHistoryRetentionLimit":3},"Raft":{"SnapshotInterval":5000,"KeepOldSnapshots":2,
  "LogEntriesForSlowFollowers":400,"ElectionTick":20,"HeartbeatTick":2},"Dispatcher":{"HeartbeatPeriod":7000000000},"CAConfig":{"NodeCertExpiry":7200000000000},
  "EncryptionConfig":{"AutoLockManagers":true}'
spec
change ',"CAConfig":{"ExternalCAs":[{"Protocol":"CFSSL","URL":"https://127.0.0.1:1/sign","Options":{"a":"b"},"CACert":""}]}'
spec
change ''
spec
change ',"CAConfig":{"SigningCACert":"x"}'
change ',"CAConfig":{"SigningCACert":"x","SigningCAKey":"x"}'
change ',"CAConfig":{"SigningCAKey":"x"}'
id=$(try docker node ls -q)
api POST "/nodes/$id/update?version=$(try docker node inspect self | pick 0.Version.Index)" '{"Name":"given","Labels":{"a":"b"},"Role":"MANAGER","Availability":"Pause"}'
docker node inspect self --format '{{json .Spec}}'
docker node ls --format '{{.Hostname}} {{.Availability}}'
