# about: an address that the user chose for a container does not have the next one get its neighbour
# hosts: 1
docker swarm init --advertise-addr "$H1" >/dev/null
quiet docker network create -d overlay --attachable --subnet 10.77.0.0/24 att >/dev/null
quiet docker run -d --name c1 --network att --ip 10.77.0.100 busybox sleep 1000
quiet docker run -d --name c2 --network att busybox sleep 1000
docker run --rm --name c3 --network att --ip 10.77.0.101 busybox true
near() { try docker inspect c2 --format '{{.NetworkSettings.Networks.att.IPAddress}}' | grep -c '^10\.77\.0\.[2-9]$'; }
run echo "$(near) of the first addresses"
quiet docker rm -f c1 c2
docker network rm att
