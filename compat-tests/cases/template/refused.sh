# about: templates that cannot be expanded are refused when the service is made
# hosts: 1
swarm_init
bad() { docker service create -d --name web --env "A=$1" busybox true; }
bad '{{.Nope}}'
bad '{{.Service.Nope}}'
bad '{{.Node.Platform.Nope}}'
bad '{{.Task.Name.Nope}}'
bad '{{.Service.Labels.x}}'
bad '{{.Service.Name'
bad 'a {{ "b'
bad '{{}}'
bad '{{nope}}'
bad '{{if true}}x'
bad '{{end}}'
bad '{{else}}'
bad '{{$x}}'
bad '{{1 2}}'
bad '{{nil}}'
bad '{{len 3}}'
bad '{{len}}'
bad '{{index .Service.Labels 1}}'
bad '{{index .Service.Name "x"}}'
bad '{{join "-" 1}}'
bad '{{eq 1 "a"}}'
bad '{{lt true false}}'
bad '{{lt 1 "a"}}'
bad '{{if true}}{{end x}}'
bad '{{printf 1}}'
bad '{{index .Service "x"}}'
bad '{{with $x := .Service}}{{$y}}{{end}}'
bad '{{.Service.Name | 1}}'
bad '{{(1}}'
bad '{{1)}}'
bad '{{.a!}}'
bad '{{1a}}'
bad '{{99999999999999999999}}'
bad '{{"a".b}}'
bad '{{.Service.Name 1}}'
bad '{{range "a"}}{{end}}'
bad '{{.Service , .Node}}'
bad '{{/* a }}'
bad '{{secret "x"}}'
bad '{{slice "abc" 2 1}}'
bad '{{break}}'
docker service create -d --name web --hostname '{{.Nope}}' busybox true
docker service create -d --name web --mount 'type=volume,source={{.Nope}},target=/a' busybox true
docker service create -d --name web --mount 'type=volume,source=a,target=/{{' busybox true
docker service create -d --name web --mount 'type=volume,source=a,target=/a,volume-label=x={{nope}}' busybox true
docker service create -d --name web --mount 'type=volume,source=a,target=/{{.Service.Name}}' --mount 'type=volume,source=b,target=/servicename' busybox true
docker service ls
