# about: mounts that are refused by the CLI, by the API, or by nobody
# hosts: 1
swarm_init
n=0
new() { n=$((n + 1)); docker service create -d --replicas 0 --name "s$n" --mount "$@" busybox; }
new type=bind,target=/x
new type=odd,source=a,target=/x
new source=a
new type=volume,source=a,target=x
new type=bind,source=rel,target=/x
new type=tmpfs,target=/x,tmpfs-size=big
new type=tmpfs,source=/a,target=/x
new type=bind,source=/a,target=/x,volume-nocopy=true
new nonsense
new type=volume,target=/x --mount type=volume,target=/x
mount() { api POST /services/create "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",\"Mounts\":[$1]}},\"Mode\":{\"Replicated\":{\"Replicas\":0}}}"; }
mount '{"Type":"odd","Target":"/x"}'
mount '{"Type":"image","Source":"busybox","Target":"/x"}'
mount '{"Type":"IMAGE","Source":"busybox","Target":"/x","ImageOptions":{"Subpath":"etc"}}'
mount '{"Type":"volume"}'
mount '{"Type":"bind","Source":"/tmp","Target":"/x","BindOptions":{"Propagation":"odd"}}'
mount '{"Type":"volume","Target":"/x"},{"Type":"tmpfs","Target":"/x"}'
mount '{"Type":"bind","Target":"/x"}'
docker service ls --format '{{.Name}}'
