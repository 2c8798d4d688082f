# about: every API version from 1.24 on: what there is to read of a swarm, and a service made by each; recorded where the answer is not the last version's
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable net >/dev/null
printf hush | quiet docker secret create hush - >/dev/null
printf open | quiet docker config create open - >/dev/null
make_service web --network net --secret hush --config open --label a=b --constraint node.labels.none==here
until_ok 30 'a task waits for a node' '[ -n "$(try docker service ps -q web)" ]'
node=$(try docker node ls -q) task=$(try docker service ps -q web) secret=$(try docker secret ls -q) config=$(try docker config ls -q)
versions() { # versions PATH
  local minor answer last=''
  for minor in $(seq 24 51) 51; do
    answer=$(try api GET "/v1.$minor/$1")
    [ "$answer" = "$last" ] || run echo "from 1.$minor on"
    [ "$answer" = "$last" ] || api GET "/v1.$minor/$1" >/dev/null
    last=$answer
  done
  [ "$(try api GET "/$1")" = "$last" ] || run echo 'without a version it is another one'
}
for path in swarm nodes "nodes/$node" services services/web 'services/web?insertDefaults=true' 'services?status=true' tasks "tasks/$task" \
  secrets "secrets/$secret" configs "configs/$config" 'networks?filters={"driver":["overlay"],"name":["net"]}' \
  'services?filters={"name":{"web":true}}' services/nope tasks/nope nodes/nope secrets/nope configs/nope networks/nope; do
  versions "$path"
done
last=''
for minor in $(seq 24 51); do
  id=$(try api POST "/v1.$minor/services/create" '{"Name":"made'$minor'","TaskTemplate":{"ContainerSpec":{"Image":"busybox","Command":["sleep","100000"],"Init":true,"Sysctls":{"a":"b"},"CapabilityAdd":["CAP_NET_ADMIN"],"Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],"Isolation":"default","OomScoreAdj":7},"Placement":{"MaxReplicas":3,"Platforms":[{"OS":"linux"}]},"Resources":{"Limits":{"Pids":9}}},"Mode":{"Replicated":{"Replicas":0}},"EndpointSpec":{"Mode":"vip"}}' | pick ID)
  made=$(try docker service inspect "made$minor" --format '{{json .Spec.TaskTemplate}} {{json .Spec.Mode}} {{json .Endpoint}}')
  [ "$made" = "$last" ] || run echo "made by 1.$minor"
  [ "$made" = "$last" ] || docker service inspect "made$minor" --format '{{json .Spec.TaskTemplate}} {{json .Spec.Mode}} {{json .Endpoint}}'
  last=$made
  quiet docker service rm "$id" >/dev/null
done
