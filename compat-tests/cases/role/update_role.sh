# about: roles by node update, in both directions, and names that are none
# hosts: 2
swarm_of 2 1
docker node update --role manager host2
until_ok 30 'host 2 is a manager' reachable 2
docker node update --role manager host2
docker node update --role Manager host2
docker node update --role worker host2
until_ok 30 'host 2 is a worker' '[ "$(on 2 docker info --format "{{.Swarm.ControlAvailable}}")" = false ]'
docker node update --role worker host2
docker node update --role boss host2
docker node update --role manager nope
docker node ls --format '{{.Hostname}} {{.Availability}} {{.ManagerStatus}}'
docker node inspect host2 --format '{{.Spec.Role}}'
