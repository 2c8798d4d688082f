# about: network inspect --verbose: services with their addresses, ports and tasks, containers, and peers, on a manager and a worker
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable net >/dev/null
make_service web --network net --mode global --publish 8080:80
make_service rr --network net --endpoint-mode dnsrr --constraint node.hostname==host2
make_service idle --network net --replicas 0
quiet docker run -d --name box --stop-signal KILL --network net busybox sleep 100000 >/dev/null
until_ok 30 'three tasks run' 'running web 2 && running rr 1'
# Docker gives every node an address on each network, so which address a service has is not compared.
services() { try docker network inspect --verbose "$1" --format '{{range $name, $s := .Services}}{{$name}}|{{$s.VIP}}|{{range $s.Ports}}{{.}};{{end}}|{{len $s.Tasks}}|{{printf "%T" $s.LocalLBIndex}}{{println}}{{end}}' | sed -E '/^$/d; s/\|(10.*)\.[0-9]+\|/|\1.x|/' | sort >seen; run cat seen; }
tasks() { try docker network inspect --verbose "$1" --format '{{range $name, $s := .Services}}{{range $s.Tasks}}{{$name}} {{.Name}} {{.EndpointIP}} {{range $k, $v := .Info}}{{$k}}: {{$v}}{{end}}{{println}}{{end}}{{end}}' | sed '/^$/d' | sort; }
peers() { sorted docker network inspect "$1" --format '{{range .Peers}}{{.IP}} {{len .Name}}{{println}}{{end}}'; }
for k in 1 2; do until_ok 20 "host $k knows all of them" "[ \"\$(on $k tasks net | wc -l)\" = 4 ]"; done
for k in 1 2; do
  on $k services net
  on $k services ingress
  on $k peers net
  on $k peers ingress
done
on 1 tasks net | sed -E 's/^(web|rr) [^ ]*/\1 task/; s/^ box/- box/; s/ 10\.0\.1\.[0-9]+ / 10.0.1.x /' | sort >seen
run cat seen
[ "$(on 1 tasks net)" = "$(on 2 tasks net)" ] && run echo both hosts say the same
shown=$(try docker network inspect --verbose ingress --format '{{.Services.web.VIP}}')
case "$(try docker service inspect web --format '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}')" in *"$shown"/*) run echo the address is the virtual one of the service;; esac
own() { try on $1 engine docker inspect "$2" --format '{{.NetworkSettings.Networks.net.EndpointID}}'; }
shown=$(try docker network inspect --verbose net --format '{{range .Services}}{{range .Tasks}}{{.EndpointID}}{{println}}{{end}}{{end}}')
case $shown in *$(own 1 box)*) run echo the endpoint of box is its own;; esac
docker rm -f box
docker service rm rr web idle
until_ok 30 'nobody is left' '[ "$(tasks net)" = "" ]'
