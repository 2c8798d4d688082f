# about: flags that describe the process arrive in the container
# hosts: 1
swarm_init
quiet docker service create -d --name web --env A=1 --env 'B=two words' --user 1:2 --workdir /tmp --hostname here --entrypoint '/bin/sh -c' --tty \
  --stop-grace-period 1s --stop-signal KILL --read-only --init --group 12 --cap-add NET_ADMIN --cap-drop CHOWN --sysctl net.core.somaxconn=99 \
  --ulimit nofile=200:200 --limit-cpu .5 --limit-memory 64M --limit-pids 50 --reserve-memory 16M --log-driver json-file --log-opt max-size=1m \
  --dns 10.1.1.1 --dns-search example.test --host far:10.9.9.9 --health-cmd true --health-interval 200ms --oom-score-adj 5 \
  busybox 'echo $A; echo $0; sleep 100000' second >/dev/null
until_ok 30 'the task runs' running web 1
id=$(try engine docker ps -q)
show() { engine docker inspect "$id" --format "$1"; }
show '{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{json .Config.Env}} {{.Config.User}} {{.Config.WorkingDir}} {{.Config.Hostname}}'
show '{{.Config.Tty}} {{.Config.StopSignal}} {{.Config.StopTimeout}} {{json .Config.Healthcheck}}'
show '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Init}} {{json .HostConfig.GroupAdd}} {{json .HostConfig.CapAdd}} {{json .HostConfig.CapDrop}}'
show '{{json .HostConfig.Sysctls}} {{json .HostConfig.Ulimits}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuPeriod}} {{.HostConfig.CpuQuota}} {{.HostConfig.Memory}} {{.HostConfig.MemoryReservation}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} {{.HostConfig.OomScoreAdj}}'
show '{{json .HostConfig.LogConfig}} {{json .HostConfig.ExtraHosts}} {{json .HostConfig.DnsSearch}}'
run sh -c 'docker exec $(docker ps -q) sh -c "id; pwd; hostname; cat /proc/sys/net/core/somaxconn; grep far /etc/hosts; touch /x"'
run sh -c 'docker logs $(docker ps -q)'
