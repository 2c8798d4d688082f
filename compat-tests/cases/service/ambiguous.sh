# about: a prefix of two services' ids is refused, wherever an id is taken
# hosts: 1
swarm_init
ids=''
for i in {1..200}; do
  id=$(try api POST /services/create "{\"Name\":\"0$i\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}},\"Mode\":{\"Replicated\":{\"Replicas\":0}}}" | pick ID)
  [[ $id == [e-w]* && " $ids" == *" ${id:0:1}"* ]] && break
  ids+="$id "
done
p=$(prefix "$id" 1)
docker service inspect "$p"
docker service ps "$p"
docker service rm "$p"
docker service update -d --label-add tier=front "$p"
docker service scale -d "$p=2"
docker service logs "$p"
api GET "/services/$p"
api DELETE "/services/$p"
api POST "/services/$p/update?version=1" '{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"busybox"}}}'
api GET "/services/$p/logs?stdout=1"
