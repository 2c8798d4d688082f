#!/usr/bin/env bash
# What goes over the cables of a swarm: three hosts join, a service is made and scaled, a manager is demoted and a root is
# replaced, while every frame is recorded. Then everything on port 2377 must have been TLS, from each connection's first
# byte on, and no frame may show what the swarm was told. The recorded frames stay in target/tls.pcap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=compat-tests/lane.sh
. compat-tests/lane.sh
compat=$(dirname "$GAM_BIN")/gam-compat pcap=$PWD/target/tls.pcap recorder=
leave() { [ -z "$recorder" ] || kill "$recorder" 2>/dev/null || true; }
mkdir -p target && rm -f "$pcap"
lane_up tls 3

$lab switch "$compat" capture "$pcap" &
recorder=$!
until_ok 10 'the recorder is ready' test -s "$pcap"

for k in 1 2 3; do $lab gam-start $k; done
gam 1 swarm init --advertise-addr "$($lab addr 1)" >/dev/null
worker=$(gam 1 swarm join-token -q worker) manager=$(gam 1 swarm join-token -q manager)
gam 2 swarm join --token "$manager" --advertise-addr "$($lab addr 2)" "$($lab addr 1):2377" >/dev/null
gam 3 swarm join --token "$worker" --advertise-addr "$($lab addr 3)" "$($lab addr 1):2377" >/dev/null
ready() { [ "$(gam 2 node ls --format '{{.Status}}' | grep -c Ready)" = 3 ]; }
until_ok 60 'three nodes are ready' ready

# Made through one manager, changed through the other; each host runs a part of it.
gam 1 service create -d --name quietname --replicas 3 --stop-signal KILL --no-resolve-image --env 'WORD=silverspoon' \
  --label 'about=hiddenlabel' busybox:1 sleep 100000 >/dev/null
running() { [ "$(gam 2 service ls --format '{{.Replicas}}')" = "$1/$1" ]; }
until_ok 60 'three tasks run' running 3
gam 2 service scale -d quietname=5 >/dev/null
until_ok 60 'five tasks run' running 5
gam 1 node promote host3 >/dev/null
serves() { gam 3 service inspect quietname; }
until_ok 60 'the third host is a manager' serves
gam 3 swarm ca --rotate --detach >/dev/null
rotated() { gam 1 info --format '{{json .Swarm.Cluster}}' | jq -e '.RootRotationInProgress == false'; }
until_ok 90 'the new root is taken over' rotated
gam 1 node demote host3 >/dev/null
demoted() { gam 3 info --format '{{.Swarm.ControlAvailable}}' | grep -q false; }
until_ok 60 'the third host is a worker again' demoted

kill $recorder
wait $recorder 2>/dev/null || true
recorder=
# What TLS does leave readable is the name that a client asks for: were it not found, nothing would be.
if "$compat" tls "$pcap" --absent swarm-manager >/dev/null 2>&1; then
  echo "tls.sh: the recorder has not seen what every handshake shows" >&2
  exit 1
fi
# Of a token the secret is the last part; its digest is that of the root, which anybody may have.
"$compat" tls "$pcap" --port 2377 --connections 6 --bytes 50000 \
  --absent quietname --absent silverspoon --absent hiddenlabel --absent "${worker##*-}" --absent "${manager##*-}"
