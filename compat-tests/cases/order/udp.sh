# about: packets of a client that always sends from the same port go to the new task once the old one has left
# hosts: 1
swarm_init
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 net >/dev/null
make_service clock --network net
until_ok 30 'it runs' running clock 1
quiet docker run -d --name own --stop-signal KILL --network net busybox sleep 100000 >/dev/null
# In the network of a container, for busybox speaks no UDP.
inside() { local pid; pid=$(try engine docker inspect "$1" --format '{{.State.Pid}}'); shift; try run nsenter -t "$pid" -n "$@"; }
serve='socket S, PF_INET, SOCK_DGRAM, 0; bind S, sockaddr_in(5353, INADDR_ANY) or die;
  if (!fork) { close STDOUT; close STDERR; alarm 60; while (my $from = recv S, my $word, 99, 0) { send S, $ARGV[0], 0, $from } }'
ask='alarm 1; socket S, PF_INET, SOCK_DGRAM, 0; bind S, sockaddr_in(4000, INADDR_ANY) or die;
  send S, "x", 0, sockaddr_in(5353, inet_aton $ARGV[0]); recv S, my $word, 99, 0; print $word'
vip=$(try docker service inspect clock --format '{{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}' | cut -d/ -f1)
answer() { inside own perl -MSocket -e "$ask" "$vip"; }
if [ "$TARGET" = gam ]; then
  inside "$(container 1 clock)" perl -MSocket -e "$serve" old >/dev/null
  until_ok 20 'it answers' '[ "$(answer)" = old ]'
  quiet docker service update -q --update-monitor 10ms --force clock >/dev/null
  until_ok 20 'one container is there' containers clock 1
  inside "$(container 1 clock)" perl -MSocket -e "$serve" new >/dev/null
  until_ok 20 'the new one answers the same port' '[ "$(answer)" = new ]'
fi
docker service rm clock
until_ok 20 'the containers are gone' containers clock 0
quiet engine docker rm -f own >/dev/null
