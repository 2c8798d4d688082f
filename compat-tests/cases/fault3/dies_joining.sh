# about: a new manager that is not heard while it catches up holds up no other change of the managers
# hosts: 4
swarm_of 4 3
# So much passes that it is called back, and not what it is sent then.
quiet on 4 run nft 'add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c tcp dport 2377 quota over 4500 bytes drop'
docker node promote host4
until_ok 30 'host 4 is known as a manager' '[ -n "$(try docker node ls --filter name=host4 --format "{{.ManagerStatus}}")" ]'
docker node demote host3
until_ok 15 'host 3 is a worker' '[ "$(try on 3 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
until_ok 15 'two managers are left' reachable 2
docker node demote host4
until_ok 15 'host 4 is no manager any more' '[ -z "$(try docker node ls --filter name=host4 --format "{{.ManagerStatus}}")" ]'
quiet on 4 run nft 'delete table ip t'
until_ok 30 'four nodes are ready' ready 4
docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}'
