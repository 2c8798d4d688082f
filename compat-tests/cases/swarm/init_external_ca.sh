# about: an external authority that is named at init is kept, and shown
# hosts: 1
docker swarm init --advertise-addr "$H1" --external-ca protocol=cfssl,url=https://127.0.0.1:8888/sign
docker info --format '{{json .Swarm.Cluster.Spec.CAConfig}}'
docker node ls
docker swarm update --external-ca protocol=cfssl,url=https://127.0.0.1:9999/sign
docker info --format '{{json .Swarm.Cluster.Spec.CAConfig.ExternalCAs}}'
docker swarm leave --force
