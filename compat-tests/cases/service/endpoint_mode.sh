# about: dnsrr: the spec, the pretty form, and the ports it cannot have
# hosts: 1
swarm_init
docker service create -d --name web --replicas 0 --endpoint-mode dnsrr busybox sleep 100000
docker service inspect web --format '{{json .Spec.EndpointSpec}} {{json .Endpoint}}'
docker service inspect --pretty web
docker service create -d --name x --endpoint-mode dnsrr --publish 80:80 busybox
docker service create -d --name x --endpoint-mode odd busybox
docker service update -d --publish-add 80:80 web
n=0
spec() { n=$((n + 1)); api POST /services/create "{\"Name\":\"x$n\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\"}},\"Mode\":{\"Replicated\":{\"Replicas\":0}},\"EndpointSpec\":$1}"; }
spec '{"Mode":"odd"}'
spec '{"Mode":"dnsrr","Ports":[{"TargetPort":80,"PublishMode":"ingress"}]}'
spec '{"Ports":[{"PublishMode":"host"}]}'
spec '{"Ports":[{"TargetPort":80,"PublishedPort":80,"PublishMode":"host"},{"TargetPort":80,"PublishedPort":80,"PublishMode":"host"}]}'
spec '{"Ports":[{"TargetPort":70000,"PublishMode":"host"}]}'
spec '{"Ports":[{"TargetPort":80,"PublishedPort":70000,"PublishMode":"host"}]}'
spec '{"Ports":[{"TargetPort":-1,"PublishMode":"host"}]}'
docker service create -d --name x --publish mode=host,published=80,target=80 --publish mode=host,published=80,target=80 busybox
docker service create -d --name x --publish mode=host,published=80-82,target=80 busybox
docker service create -d --name x --publish mode=odd,target=80 busybox
docker service create -d --name x --publish target=x busybox
docker service ls
