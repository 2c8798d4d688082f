# about: the stack that Portainer's users deploy: a global agent on three hosts and one server, with their published ports
# hosts: 3
swarm_of 3 1
# Stand-ins of the same names: each answers on its ports with its own name.
stand_in() { # stand_in IMAGE WORD PORT...
  local k image=$1 word=$2 port serve; shift 2
  serve="mkdir /w && echo $word >/w/index.html"
  for port in "$@"; do serve+=" && httpd -h /w -p $port"; done
  for k in 1 2 3; do
    quiet on $k engine docker create --name stand busybox >/dev/null
    quiet on $k engine docker commit -c "ENTRYPOINT [\"sh\",\"-c\",\"$serve && exec sleep 100000\"]" -c 'STOPSIGNAL SIGKILL' stand "$image" >/dev/null
    quiet on $k engine docker rm stand >/dev/null
  done
}
stand_in portainer/agent:2.19.3 agent 9001
stand_in portainer/portainer-ce:2.19.3 server 9443 9000 8000
cp "${LAB%/*}/../examples/portainer-agent-stack.yml" .
sorted docker stack deploy --resolve-image never -c portainer-agent-stack.yml portainer
until_ok 60 'three agents run' running portainer_agent 3
until_ok 60 'a server runs' running portainer_portainer 1
docker stack ls
docker stack services portainer --format '{{.Name}} {{.Mode}} {{.Replicas}} {{.Image}} {{.Ports}}'
docker service ls --format '{{.Name}} {{.Mode}} {{.Replicas}} {{.Image}} {{.Ports}}'
sorted docker stack ps portainer --format '{{.Image}} {{.Node}} {{.DesiredState}} {{.Error}}'
docker network inspect portainer_agent_network --format '{{.Driver}} {{.Scope}} {{.Attachable}} {{json .Labels}}'
engine docker volume inspect portainer_portainer_data --format '{{.Driver}} {{json .Labels}}'
server=$(container 1 portainer_portainer)
names() { [ "$(try engine docker exec "$server" nslookup -type=a tasks.agent 2>/dev/null | grep '^Address' | grep -vc ':53$')" = 3 ]; }
until_ok 20 'the server finds three agents' names
engine docker exec "$server" wget -qO- http://tasks.agent:9001/
# The reference's routing mesh needs IPVS, which kernels may lack; Gam's does not.
if [ "$TARGET" = gam ]; then
  for k in 1 2 3; do
    for port in 9443 9000 8000; do
      until_ok 10 "port $port of host $k leads to the server" '[ "$(run curl -s -m 2 http://$(addr $k):$port/)" = server ]'
    done
    until_ok 10 "port 9001 of host $k leads to an agent" '[ "$(run curl -s -m 2 http://$(addr $k):9001/)" = agent ]'
  done
fi
docker stack rm portainer
for k in 1 2 3; do
  until_ok 40 "no container is left on host $k" '[ -z "$(on $k engine docker ps -aq)" ]'
done
until_ok 20 'its network is gone' '! docker network inspect portainer_agent_network'
docker stack ls
docker stack ps portainer
docker service ls
