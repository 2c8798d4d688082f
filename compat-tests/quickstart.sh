#!/usr/bin/env bash
# examples/quickstart.sh on a host of the lab that has no dockerd running: up, up again, down; with $GAM_BIN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LAB_NAME=quick GAM_BIN=${GAM_BIN:-$PWD/target/debug/gam}
lab=compat-tests/lab
trap '$lab down' EXIT
$lab down
$lab up 1
$lab stop 1
quickstart() { $lab exec 1 env GAM_BIN="$GAM_BIN" "$PWD/examples/quickstart.sh" "$@"; }
expect() { # expect TEXT WHAT: the last output must hold the text
  grep -q -- "$1" <<<"$output" || { printf '%s\n' "$output"; echo "quickstart: no '$1' in the output $2" >&2; exit 1; }
}
output=$(quickstart 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect '2/2' 'of the first run'
expect 'export DOCKER_HOST=unix:///run/gam/docker.sock' 'of the first run'
output=$(quickstart 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect 'Gam runs already' 'of the second run'
expect '2/2' 'of the second run'
output=$(quickstart --down 2>&1) || { printf '%s\n' "$output"; exit 1; }
expect 'are gone' 'of --down'
if $lab exec 1 pgrep -x 'gam|dockerd' >/dev/null; then
  echo "quickstart: --down left a daemon running" >&2
  exit 1
fi
echo "quickstart: up, up again and down work"
