# about: swarm ca prints the same root on every manager, and a worker trusts it
# hosts: 3
swarm_of 3 2
docker swarm ca
on 2 docker swarm ca
on 3 docker swarm ca
docker swarm ca --quiet
docker swarm ca --ca-cert /nope
docker swarm ca --cert-expiry 48h
docker swarm ca --detach
docker swarm ca --rotate --cert-expiry x
docker swarm ca --rotate --ca-cert /nope
docker node inspect host1 host2 host3 --format '{{.Description.TLSInfo.TrustRoot}}'
on 3 docker info --format '{{.Swarm.Cluster}}'
