# about: an update with the version that another manager has since changed is refused through either
# hosts: 2
swarm_of 2 2
make_service web --replicas 0
old=$(on 2 try api GET /services/web | pick Version.Index)
spec=$(on 2 try api GET /services/web | pick Spec)
docker service update -d --label-add a=b web
on 2 api POST "/services/web/update?version=$old" "$spec"
api POST "/services/web/update?version=$old" "$spec"
new=$(on 2 try api GET /services/web | pick Version.Index)
on 2 api POST "/services/web/update?version=$new" "$spec"
api GET /services/web
swarm=$(try api GET /swarm | pick Version.Index)
on 2 docker swarm update --task-history-limit 3
api POST "/swarm/update?version=$swarm" "$(try api GET /swarm | pick Spec)"
docker info --format '{{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}'
