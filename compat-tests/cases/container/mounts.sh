# about: bind, volume and tmpfs mounts in the container, and what they hold
# hosts: 1
swarm_init
quiet docker service create -d --name web --stop-signal KILL --mount type=bind,source=/etc,target=/e,readonly --mount type=volume,source=data,target=/data \
  --mount type=volume,source=labelled,target=/l,volume-label=a=b --mount type=tmpfs,target=/scratch,tmpfs-size=1m,tmpfs-mode=1700 busybox sleep 100000 >/dev/null
until_ok 30 'the task runs' running web 1
id=$(try engine docker ps -q)
engine docker inspect "$id" --format '{{json .HostConfig.Mounts}}'
engine sorted docker inspect "$id" --format '{{range .Mounts}}{{println .Type .Name .Destination .RW .Propagation}}{{end}}'
engine sorted docker volume ls --format '{{.Name}} {{.Driver}} {{.Labels}}'
run sh -c 'docker exec $(docker ps -q) sh -c "stat -c %a:%F /scratch; touch /e/x; touch /data/kept; ls /data; df /scratch | tail -1 | tr -s \" \" | cut -d\" \" -f2"'
quiet docker service update -d --force --update-monitor 1ms web >/dev/null
until_ok 30 'a new task runs' '[ "$(docker service inspect web --format "{{.UpdateStatus.State}}")" = completed ]'
until_ok 20 'in one container' containers web 1
run sh -c 'docker exec $(docker ps -q) ls /data'
