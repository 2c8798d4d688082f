# about: a prefix of two networks' ids is refused
# hosts: 1
swarm_init
ids="$(try docker network inspect ingress --format '{{.ID}}') "
for i in {1..40}; do
  id=$(try api POST /networks/create "{\"Name\":\"0$i\",\"Driver\":\"overlay\"}" | pick Id)
  [[ $id == [g-z]* && " $ids" == *" ${id:0:1}"* ]] && break
  ids+="$id "
done
p=$(prefix "$id" 1)
docker network inspect "$p"
docker network rm "$p"
api GET "/networks/$p"
api DELETE "/networks/$p"
docker service create -d --name web --replicas 0 --network "$p" busybox
