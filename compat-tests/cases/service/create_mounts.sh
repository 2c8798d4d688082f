# about: bind, volume and tmpfs mounts in the spec and pretty, in long forms
# hosts: 1
swarm_init
docker service create -d --name web --replicas 0 --mount type=bind,source=/tmp,target=/t,readonly --mount type=volume,source=data,target=/data \
  --mount type=volume,target=/anon,volume-label=a=b,volume-nocopy --mount type=tmpfs,target=/scratch,tmpfs-size=1m,tmpfs-mode=1700 \
  --mount type=bind,source=/tmp,target=/s,bind-propagation=rshared busybox sleep 100000
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Mounts}}'
docker service inspect --pretty web
docker service update -d --mount-rm /t --mount-add type=tmpfs,target=/new web
docker service inspect web --format '{{json .Spec.TaskTemplate.ContainerSpec.Mounts}}'
