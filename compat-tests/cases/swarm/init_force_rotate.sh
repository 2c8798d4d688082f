# about: a number of forced rotations that is given at init is kept; the same number again rotates nothing, the next one does
# hosts: 1
api POST /swarm/init "{\"ListenAddr\":\"0.0.0.0:2377\",\"AdvertiseAddr\":\"$H1\",\"Spec\":{\"CAConfig\":{\"ForceRotate\":6,\"NodeCertExpiry\":7776000000000000}}}"
docker info --format '{{json .Swarm.Cluster.Spec.CAConfig}}'
until_ok 30 'no rotation is under way' eval '[ "$(try docker info --format "{{.Swarm.Cluster.RootRotationInProgress}}")" = false ]'
first=$(try docker swarm ca)
docker swarm update --task-history-limit 7
until_ok 30 'no rotation is under way' eval '[ "$(try docker info --format "{{.Swarm.Cluster.RootRotationInProgress}}")" = false ]'
run test "$first" = "$(try docker swarm ca)"
docker swarm ca --rotate --quiet >/dev/null
run test "$first" = "$(try docker swarm ca)"
docker info --format '{{.Swarm.Cluster.Spec.CAConfig.ForceRotate}}'
