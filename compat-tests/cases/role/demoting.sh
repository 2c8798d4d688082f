# about: a manager that is being demoted answers, or says that it is a worker, at every moment
# hosts: 3
swarm_of 3 3
# Asks host 3 for all it can, until it is a worker and has been one for three rounds.
cat >asking <<'ASK'
seen=0
while [ $seen -lt 3 ]; do
  docker node ls
  docker config create "c$(date +%s%N)" control
  docker info --format '{{.Swarm.ControlAvailable}}' >control
  grep -q false control && seen=$((seen + 1))
done >/dev/null 2>said
touch done
ASK
try on 3 run sh -c 'sh asking &'
docker node demote host3
until_ok 30 'host 3 was asked as a worker' test -e done
run sort -u said
