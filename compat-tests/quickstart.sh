#!/usr/bin/env bash
# examples/quickstart.sh on a host of the lab, with $GAM_BIN. Without a dockerd: up, scaled, up again, down. With one that
# is in swarm mode: no Gam, and why. With a Gam and a swarm that were there before: up, and they are left alone by down.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LAB_NAME=quick GAM_BIN=${GAM_BIN:-$PWD/target/debug/gam}
lab=compat-tests/lab
trap '$lab down' EXIT
$lab down
$lab up 1
$lab stop 1
d() { $lab exec 1 docker -H unix:///run/gam/docker.sock "$@"; }
quickstart() { $lab exec 1 env GAM_BIN="$GAM_BIN" "$PWD/examples/quickstart.sh" "$@"; }
expect() { # expect TEXT WHAT: the last output must hold the text
  grep -q -- "$1" <<<"$output" || { printf '%s\n' "$output"; echo "quickstart: no '$1' in the output $2" >&2; exit 1; }
}
output=$(quickstart 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect '2/2' 'of the first run'
expect 'export DOCKER_HOST=unix:///run/gam/docker.sock' 'of the first run'
d service scale -d quickstart=3 >/dev/null
output=$(quickstart 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect 'Gam runs already' 'of the second run'
expect '3/3' 'of the second run, after a scale'
output=$(quickstart --down 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect 'is gone' 'of --down'
if $lab exec 1 pgrep -x 'gam|dockerd' >/dev/null; then
  echo "quickstart: --down left a daemon running" >&2
  exit 1
fi

$lab start 1
engine() { $lab exec 1 docker -H unix:///var/run/docker.sock "$@"; }
engine swarm init --advertise-addr 127.0.0.1 >/dev/null
SECONDS=0
if output=$(quickstart 2>&1); then
  echo "quickstart: came up beside a swarm of dockerd's own" >&2
  exit 1
fi
expect 'gam did not start: .*swarm leave --force' 'beside a swarm of dockerd'
[ $SECONDS -lt 20 ] || { echo "quickstart: took $SECONDS s to say that Gam had ended" >&2; exit 1; }
engine swarm leave --force >/dev/null
engine network rm docker_gwbridge >/dev/null

$lab gam-start 1
d swarm init --advertise-addr 127.0.0.1 >/dev/null
d service create -d --name mine --no-resolve-image busybox sleep 1000 >/dev/null
output=$(quickstart 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect '2/2' 'of the run beside a swarm of the user'
output=$(quickstart --down 2>&1) || { printf '%s\n' "$output"; exit 1; }
[ "$(d service ls --format '{{.Name}}')" = mine ] || { echo "quickstart: --down took more than its own service" >&2; exit 1; }
d network inspect docker_gwbridge >/dev/null
if d network inspect quickstart >/dev/null 2>&1 || d image inspect busybox:quickstart >/dev/null 2>&1; then
  echo "quickstart: --down left its network or its image" >&2
  exit 1
fi
echo "quickstart: works on an empty host, after a scale, and beside what was there before"
