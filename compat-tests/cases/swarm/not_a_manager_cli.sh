# about: the commands of swarm mode on a node without a swarm
# hosts: 1
docker swarm join-token worker
docker swarm unlock-key
docker swarm update --task-history-limit 1
docker swarm leave
docker swarm leave --force
docker swarm ca
docker node ls
docker node inspect self
docker node ps
docker node update --availability drain x
docker node rm x
docker service ls
docker service create busybox
docker service ps x
docker service rm x
docker secret ls
docker config ls
docker stack ls
docker network create -d overlay x
docker service create
