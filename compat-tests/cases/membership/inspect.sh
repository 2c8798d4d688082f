# about: all of what is known of a worker and of two managers, from either manager
# hosts: 3
swarm_of 3 2
api GET /nodes
on 2 api GET /nodes/host3
on 2 docker node inspect host1 host2 --format '{{.Description.Hostname}} {{json .ManagerStatus}}'
on 2 docker node inspect self --format '{{.Description.Hostname}}'
docker node inspect host3 --pretty
on 2 docker node inspect host2 --pretty
docker node inspect host2 nope host3 --format '{{.Description.Hostname}}'
