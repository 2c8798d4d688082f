# about: flags that describe the process: what the spec then holds, and the pretty form
# hosts: 1
swarm_init
docker service create -d --name web --replicas 0 --env A=1 --env B --env 'C=two words' --label l=1 --label m --container-label c=x --user 1:2 \
  --workdir /tmp --hostname here --entrypoint '/bin/sh -c' --tty --stop-grace-period 3s --stop-signal TERM --read-only --init --group 12 \
  --cap-add NET_ADMIN --cap-drop CHOWN --sysctl net.core.somaxconn=99 --ulimit nofile=100:200 busybox 'echo $A' second
docker service inspect web --format '{{json .Spec}}'
docker service inspect --pretty web
docker service ls
docker service ps web
