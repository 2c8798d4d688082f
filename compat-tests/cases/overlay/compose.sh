# about: docker compose on a manager and on a worker, with the same attachable overlay: containers of both find and reach each other
# hosts: 2
swarm_of 2 1
quiet docker network create -d overlay --attachable shared >/dev/null
file() { printf 'services:\n  %s:\n    image: busybox\n    command: sleep 100000\n    stop_signal: SIGKILL\n    networks:\n      shared:\n        aliases: [%s]\nnetworks:\n  shared:\n    external: true\n' "$1" "$2" >"$1.yaml"; }
file front door
file back shed
quiet on 1 docker compose -p one -f front.yaml up -d
quiet on 2 docker compose -p two -f back.yaml up -d
from() { try on "$1" docker exec "$2" nslookup -type=a "$3" 2>/dev/null | awk '/^Address/ && !/:53$/ {print $NF}' | sort | paste -sd' '; }
ip() { try on "$1" docker inspect "$2" --format '{{.NetworkSettings.Networks.shared.IPAddress}}'; }
reach() { try on "$1" docker exec "$2" ping -q -c 1 -W 1 "$3" >/dev/null; }
for name in back shed two-back-1; do
  until_ok 10 "host 1 finds $name" '[ "$(from 1 one-front-1 $name)" = "$(ip 2 two-back-1)" ]'
done
for name in front door one-front-1; do
  until_ok 10 "host 2 finds $name" '[ "$(from 2 two-back-1 $name)" = "$(ip 1 one-front-1)" ]'
done
until_ok 10 'there' reach 1 one-front-1 shed
until_ok 10 'and back' reach 2 two-back-1 door
on 1 docker compose -p one -f front.yaml ps --format '{{.Service}} {{.State}}'
on 2 docker compose -p two -f back.yaml ps --format '{{.Service}} {{.State}}'
docker network rm shared
quiet on 2 docker compose -p two -f back.yaml down
until_ok 10 'it is found no more' '[ -z "$(from 1 one-front-1 back)$(from 1 one-front-1 shed)$(from 1 one-front-1 two-back-1)" ]'
quiet on 1 docker compose -p one -f front.yaml down
until_ok 20 'the network is free' docker network rm shared
on 2 engine docker ps -aq
