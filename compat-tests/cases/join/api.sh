# about: POST /swarm/join as other clients send it
# hosts: 2
swarm_init
token=$(try docker swarm join-token -q worker)
join() { on 2 api POST /swarm/join "{$1}"; }
any='"ListenAddr":"0.0.0.0:2377"' to='"RemoteAddrs":["'"$H1:2377"'"]' with='"JoinToken":"'"$token"'"'
on 2 api POST /swarm/join
on 2 api POST /swarm/join '['
on 2 api GET /swarm/join
join ''
join "$to,$with"
join "\"ListenAddr\":\"x\",$to,$with"
join "$any"
join "$any,$to"
join "$any,$with"
join "$any,$with,\"RemoteAddrs\":[]"
join "$any,$with,\"RemoteAddrs\":[\"\"]"
join "$any,$with,\"RemoteAddrs\":\"$H1:2377\""
join "$any,$with,$to,\"Availability\":\"away\""
join "$any,$with,$to,\"Availability\":7"
join "$any,$with,$to,\"Availability\":\"Active\""
join "$any,$with,$to,\"AdvertiseAddr\":\"0.0.0.0\""
join "$any,$with,\"RemoteAddrs\":[\"$H1:2399\"]"
join "$any,$with,\"RemoteAddrs\":[\"$H1:2399\",\"$H1:2377\"],\"Availability\":\"pause\",\"Other\":1"
until_ok 20 'both nodes are ready' ready 2
docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}'
