# about: resources that are refused
# hosts: 1
swarm_init
docker service create -d --name x --limit-cpu lots busybox
docker service create -d --name x --limit-memory lots busybox
docker service create -d --name x --limit-memory 1M busybox
docker service create -d --name x --reserve-memory -5 busybox
docker service create -d --name x --reserve-cpu 1.2.3 busybox
docker service create -d --name x --limit-cpu 0.0000000001 busybox
docker service create -d --name x --limit-pids many busybox
limits() { api POST /services/create "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"},\"Resources\":$1}}"; }
limits '{"Limits":{"NanoCPUs":-1}}'
limits '{"Limits":{"NanoCPUs":10}}'
limits '{"Limits":{"MemoryBytes":-1}}'
limits '{"Limits":{"MemoryBytes":1000}}'
limits '{"Reservations":{"NanoCPUs":10}}'
limits '{"Reservations":{"MemoryBytes":1000}}'
limits '{"Limits":{"NanoCPUs":1.5}}'
limits '{"Limits":{"MemoryBytes":99999999999999999999}}'
limits '{"Limits":7}'
docker service ls
