# about: POST /swarm/join as other clients send it
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
on 2 api POST /swarm/join
on 2 api POST /swarm/join '{}'
on 2 api POST /swarm/join '{"RemoteAddrs":"'"$H1:2377"'"}'
on 2 api POST /swarm/join '{"RemoteAddrs":["'"$H1:2377"'"]}'
on 2 api POST /swarm/join '{"JoinToken":"'"$token"'"}'
on 2 api POST /swarm/join '{"RemoteAddrs":[],"JoinToken":"'"$token"'"}'
on 2 api POST /swarm/join '{"RemoteAddrs":[""],"JoinToken":"'"$token"'"}'
on 2 api POST /swarm/join '{"RemoteAddrs":["'"$H1:2377"'"],"JoinToken":"'"$token"'","Availability":"away"}'
on 2 api POST /swarm/join '{"RemoteAddrs":["'"$H1:2377"'"],"JoinToken":"'"$token"'","Availability":7}'
on 2 api POST /swarm/join '{"ListenAddr":"x","RemoteAddrs":["'"$H1:2377"'"],"JoinToken":"'"$token"'"}'
on 2 api POST /swarm/join '['
on 2 api GET /swarm/join
on 2 api POST /swarm/join '{"RemoteAddrs":["'"$H1:2399"'","'"$H1:2377"'"],"JoinToken":"'"$token"'","Other":1}'
on 2 api POST /swarm/join '{"RemoteAddrs":["'"$H1:2377"'"],"JoinToken":"'"$token"'"}'
until_ok 20 'both nodes are ready' ready 2
docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
