# about: names: clashes, bad ones, long ones and none at all
# hosts: 1
swarm_init
new() { api POST /services/create "{\"Name\":\"$1\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}},\"Mode\":{\"Replicated\":{\"Replicas\":0}}}"; }
new web
new web
new WEB
new ''
new 'a b'
new a.b
new -a
new a-
new a_b
new _a
new a/b
new 9
new "$(printf 'x%.0s' {1..63})"
new "$(printf 'y%.0s' {1..64})"
docker service create -d --replicas 0 --name web busybox
docker service create -d --replicas 0 --name 'a b' busybox
docker service create -d --replicas 0 --name '' busybox >/dev/null
docker service ls --format '{{.Name}}' --filter name=web
docker service ls --format '{{.Name}}' --filter name=WEB
