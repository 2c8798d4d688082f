# about: driver options of a service's attachment: kept in the spec, handed to the endpoint, and what of them is honoured there
# hosts: 1
swarm_init
quiet docker network create -d overlay one
inside() { local service=$1; shift; try engine docker exec "$(container 1 "$service")" "$@"; }
options() { engine docker inspect -f '{{range .NetworkSettings.Networks}}{{json .DriverOpts}} {{end}}' "$(container 1 "$1")"; }
make_service any --network name=one,alias=a,driver-opt=foo=bar,driver-opt=com.docker.network.bridge.name=b
until_ok 30 'a task runs' running any 1
api GET /services/any
options any
make_service named --network name=one,driver-opt=com.docker.network.endpoint.ifname=own0
until_ok 30 'a task of it runs' running named 1
options named
run test "$(inside named ls /sys/class/net | grep -c own0)" = 1
make_service tuned --network name=one,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1
until_ok 30 'a task of it runs' running tuned 1
run test "$(inside tuned cat /proc/sys/net/ipv4/conf/eth0/log_martians)" = 1
first=$(container 1 any)
docker service update -d --network-rm one --network-add name=one,driver-opt=foo=baz any
until_ok 30 'the update is over' eval '[ "$(try docker service inspect -f "{{.UpdateStatus.State}}" any)" = completed ]'
run test "$first" != "$(container 1 any)"
options any
docker service create -d --restart-condition none --name wrong --network name=one,driver-opt=com.docker.network.endpoint.sysctls=nonsense busybox:1 true
until_ok 30 'its task has ended' eval 'try docker service ps wrong | grep -q "Failed\|Rejected"'
docker service ps --no-trunc --format '{{.DesiredState}} {{.Error}}' wrong
