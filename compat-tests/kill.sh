#!/usr/bin/env bash
# Crash recovery: services are made and changed while Gam is killed with -9 at random moments and started again. At the end
# exactly the acknowledged services exist, with their replicas, and no container that nobody asked for.
#   kill.sh [--rounds N] [--seed S]      50 rounds and seed 1 unless told otherwise
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=50 seed=1
# shellcheck source=compat-tests/lane.sh
. compat-tests/lane.sh
lane_options 'rounds seed' "$@"
RANDOM=$seed
lane_up kill 1
$lab gam-start 1

gam 1 swarm init --advertise-addr "$($lab addr 1)" >/dev/null

# Replicas that were acknowledged, by service. A call that failed because Gam died may or may not have happened: what it
# would have made is allowed, but not demanded. No other client is there, so
# none is refused as out of sequence: that a service's update goes on is no change of what is wanted.
declare -A wanted=() perhaps=()
change() { # one random change; its outcome is recorded
  local name=s$((RANDOM % 4)) replicas=$((RANDOM % 4)) told
  if [ -n "${wanted[$name]+x}" ] || [ -n "${perhaps[$name]+x}" ]; then
    if told=$(gam 1 service scale -d "$name=$replicas" 2>&1 >/dev/null); then wanted[$name]=$replicas; unset "perhaps[$name]"
    elif [[ $told == *'update out of sequence'* ]]; then echo "kill.sh: $name: $told"; exit 1
    else perhaps[$name]="${perhaps[$name]:-} ${wanted[$name]:-none} $replicas"; unset "wanted[$name]"; fi
  elif gam 1 service create -d --name "$name" --replicas $replicas --stop-signal KILL --no-resolve-image busybox:1 sleep 100000 >/dev/null 2>&1; then
    wanted[$name]=$replicas
  else
    perhaps[$name]="none $replicas"
  fi
}

for round in $(seq "$rounds"); do
  ( sleep "0.$((RANDOM % 10))$((RANDOM % 10))"; $lab gam-kill 1 ) &
  killer=$!
  while kill -0 $killer 2>/dev/null; do change; done
  wait $killer
  $lab gam-start 1
done

count() { engine 1 ps -q --filter "label=com.docker.swarm.service.name=$1" | wc -l; }
replicas() { # the CLI prints an empty line for a service that is not there
  local found
  found=$(gam 1 service inspect "$1" --format '{{.Spec.Mode.Replicated.Replicas}}' 2>/dev/null) || found=none
  echo "$found"
}
for name in "${!perhaps[@]}"; do
  found=$(replicas "$name")
  [[ " ${perhaps[$name]} " == *" $found "* ]] ||
    { echo "kill.sh: $name has $found replicas; possible:${perhaps[$name]} (seed $seed)" >&2; show; exit 1; }
  [ "$found" = none ] || wanted[$name]=$found
done
for name in "${!wanted[@]}"; do
  [ "$(replicas "$name")" = "${wanted[$name]}" ] ||
    { echo "kill.sh: $name lost an acknowledged change (seed $seed)" >&2; show; exit 1; }
done
is_settled() { local n; for n in "${!wanted[@]}"; do [ "$(count "$n")" = "${wanted[$n]}" ] || return 1; done; }
until_ok 60 "every service has its replicas (seed $seed)" is_settled
total=0
for name in "${!wanted[@]}"; do total=$((total + wanted[$name])); done
no_strays() { [ "$(engine 1 ps -q | wc -l)" = $total ] && [ "$(gam 1 service ls -q | wc -l)" = ${#wanted[@]} ]; }
until_ok 30 "no stray containers or services (seed $seed)" no_strays
echo "kill.sh: $rounds rounds with seed $seed: ${#wanted[@]} services, $total containers, all as acknowledged"
