# about: inspect shows the name servers, options and domains that a container's user gave, and no others, on a manager and on a worker
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable att >/dev/null
given='--dns 10.1.1.1 --dns-option ndots:2 --dns-option timeout:3 --dns-search example.test'
for k in 1 2; do
  make_service plain$k --network att --constraint node.hostname==host$k
  make_service given$k --network att --constraint node.hostname==host$k $given
  make_service none$k --constraint node.hostname==host$k
  for name in plain$k given$k none$k; do
    until_ok 30 "$name runs" running $name 1
    run_on=$(container $k $name)
    on $k docker inspect "$run_on" --format '{{json .HostConfig.Dns}} {{json .HostConfig.DnsOptions}} {{json .HostConfig.DnsSearch}}'
  done
  on $k quiet docker run -d --name box$k --network att busybox sleep 100000 >/dev/null
  on $k quiet docker run -d --name asked$k --network att $given busybox sleep 100000 >/dev/null
  on $k quiet docker create --name made$k --network att busybox >/dev/null
  for name in box$k asked$k made$k; do
    on $k docker inspect $name --format '{{json .HostConfig.Dns}} {{json .HostConfig.DnsOptions}} {{json .HostConfig.DnsSearch}}'
  done
  on $k quiet docker rm -f box$k asked$k made$k >/dev/null
done
