# about: ports in host mode on two hosts: reached on each, automatic numbers in the task's status, gone with the task
# hosts: 2
swarm_of 2 1
docker service create -d -q --stop-signal KILL --name web --mode global --publish mode=host,published=8081,target=80 --publish mode=host,target=81 busybox sh -c 'echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp'
until_ok 30 'two tasks run' running web 2
for k in 1 2; do
  until_ok 10 'it answers' run curl -s "http://$(addr $k):8081/"
  run curl -s "http://$(addr $k):8081/"
done
docker service inspect web --format '{{json .Endpoint.Ports}} {{json .Endpoint.VirtualIPs}}'
docker service ls --format '{{.Name}} {{.Ports}}'
task=$(try docker service ps -q web | head -1)
try api GET "/tasks/$task" >task
[ "$(pick Status.PortStatus.Ports <task | tr , '\n' | grep -c '"PublishedPort":\(8081\|3\|4\|5\|6\)')" = 2 ] || echo '# the ports are not in the status' >>"$RECORD"
docker service update -d --publish-rm target=80,published=8081,mode=host web
until_ok 30 'two tasks run' 'running web 2 && ! run curl -s -m 2 "http://$H1:8081/" && ! run curl -s -m 2 "http://$H2:8081/"'
docker service rm web
