# about: a worker answers every command of a manager with one sentence
# hosts: 2
swarm_of 2 1
make_service web
for words in 'swarm join-token worker' 'swarm join-token --rotate manager' 'swarm unlock-key' 'swarm unlock' 'swarm update --task-history-limit 1' \
  'swarm ca' 'swarm ca --rotate' 'node ls' 'node inspect self' 'node inspect host1' 'node ps' 'node ps host1' 'node update --availability drain host1' \
  'node promote host2' 'node demote host1' 'node rm host1' 'service ls' 'service create -d busybox' 'service inspect web' 'service ps web' \
  'service update -d web' 'service scale -d web=2' 'service rollback -d web' 'service rm web' 'service logs web' 'secret ls' 'secret inspect x' 'secret rm x' \
  'config ls' 'config inspect x' 'config rm x' 'stack ls' 'stack ps x' 'stack services x' 'stack rm x' 'network create -d overlay x' 'inspect --type service web'; do
  on 2 docker $words
done
on 2 run sh -c 'echo x | docker secret create x -'
on 2 run sh -c 'echo x | docker config create x -'
on 2 sorted docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
on 2 docker network rm ingress
docker service ls
