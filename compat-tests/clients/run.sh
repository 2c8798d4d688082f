#!/usr/bin/env bash
# Other people's programs: the SDKs' own integration tests, of swarm mode, against dockerd's own swarm mode and against Gam.
# Each suite runs in a fresh lab per target. What passes on the reference must pass on Gam, test by test, but for what
# accepted.txt names; of the replays of Portainer, which are ours, everything must.
#
#   compat-tests/clients/run.sh [--short] [SUITE...]
#
# SUITE: portainer (its Socket mode, one host), portainer-agent (its Agent mode, three), prometheus, aiodocker, docker-py, dockerode, bollard; all
# unless named.
# --short leaves out bollard, which takes minutes to build, dockerode, which needs node, and docker-py's long file of services.
# The suites come from the registries through their clients (pip, cargo, apt) into target/clients, and are run as they are; results,
# and logs of the tests and of the daemons, stay there too. Exit code 3: cannot be done on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=compat-tests/lane.sh
. compat-tests/lane.sh
# shellcheck source=compat-tests/clients/suites.sh
. compat-tests/clients/suites.sh
work=$(readlink -f "${CARGO_TARGET_DIR:-target}")/clients
here=$PWD/compat-tests/clients
base=${LAB_NAME:-sdk}

short= suites=()
for word in "$@"; do
  case $word in
  --short) short=yes;;
  portainer | portainer-agent | prometheus | aiodocker | docker-py | dockerode | bollard) suites+=("$word");;
  *) echo "run.sh: there is no suite '$word'; usage: $0 [--short] [portainer] [portainer-agent] [prometheus] [aiodocker] [docker-py] [dockerode] [bollard]" >&2; exit 2;;
  esac
done
[ ${#suites[@]} != 0 ] || { suites=(portainer portainer-agent prometheus aiodocker docker-py); [ -n "$short" ] || suites+=(dockerode bollard); }

# The tests ask for images of a hub, whose names are given; a busybox with the programs of clients/image stands in for each.
stand_ins() {
  local id name
  id=$(engine 1 create busybox:1 true)
  engine 1 cp "$here/image/." "$id:/bin" >/dev/null
  for name in "$@"; do engine 1 commit -c 'CMD ["sh"]' "$id" "$name" >/dev/null; done
  engine 1 rm "$id" >/dev/null
}

# one SUITE TARGET: a lab, the suite in its first host against the target's sockets, and the results in $work/SUITE.TARGET.
one() {
  local suite=$1 target=$2 hosts k sockets=() addresses=()
  hosts=$(hosts_of "$suite")
  export LAB_NAME=$base
  dir=${LAB_DIR:-/tmp/gamlab-$LAB_NAME}
  $lab down
  $lab up "$hosts"
  stand_ins $(images_of "$suite")
  for k in $(seq "$hosts"); do
    addresses+=("$($lab addr "$k")")
    if [ "$target" = reference ]; then sockets+=("unix://$dir/h$k/docker.sock"); else
      $lab gam-start "$k"
      sockets+=("unix://$dir/h$k/gam.sock")
    fi
  done
  rm -f "$work/$suite.$target"
  # A suite in which tests fail ends so; what counts is the list of its results.
  $lab exec 1 env DOCKER_HOST="${sockets[0]}" SOCKETS="${sockets[*]}" ADDRESSES="${addresses[*]}" HOME="$HOME" \
    PATH="$PATH" SUITE_SHORT="$short" RESULTS="$work/$suite.$target" PYTHONPATH="$here" \
    bash -c ". '$here/suites.sh'; run_${suite//-/_} '$work'" \
    >"$work/$suite.$target.log" 2>&1 || true
  cp "$dir/h1/dockerd.log" "$work/$suite.$target.dockerd.log"
  [ "$target" = reference ] || cp "$dir/h1/gam.log" "$work/$suite.$target.gam.log"
  $lab down
  [ -s "$work/$suite.$target" ] || { echo "run.sh: no result of $suite on $target; the end of its log:" >&2; tail -n 20 "$work/$suite.$target.log" >&2; exit 1; }
}

# wanted SUITE: what Gam has to pass: what passes on the reference, and of a replay, which is ours, all.
wanted() {
  {
    passed "$1" reference
    case $1 in portainer*) sed -n 's/^failed //p' "$work/$1.gam";; esac
  } | sort -u
}
passed() { sed -n 's/^passed //p' "$work/$1.$2" | sort; } # passed SUITE TARGET
accepted() { sed -n "s/^$1 \\([^ ]*\\) # ..*/\\1/p" "$here/accepted.txt" | sort; } # accepted SUITE: what is known to be missing

# verdict SUITE: the table's row; fails if a test is wanted, does not pass on Gam and is not accepted, if one that is accepted
# passes on Gam, or if none passes on the reference.
verdict() {
  local suite=$1 missing new over
  missing=$(comm -23 <(wanted "$suite") <(passed "$suite" gam))
  new=$(comm -23 <(echo "$missing") <(accepted "$suite"))
  over=$(comm -12 <(passed "$suite" gam) <(accepted "$suite"))
  echo "$suite: $(passed "$suite" reference | wc -l) on the reference, $(passed "$suite" gam | wc -l) on Gam, missing: ${missing:-none}"
  [ -z "$new" ] || echo "$suite: missing and not accepted: ${new//$'\n'/ }"
  [ -z "$over" ] || echo "$suite: passes now, and is to be taken out of accepted.txt: ${over//$'\n'/ }"
  [ -n "$(passed "$suite" reference)" ] && [ -z "$new$over" ]
}

mkdir -p "$work"
trap '$lab down' EXIT
export LAB_NAME=$base
for suite in "${suites[@]}"; do
  "get_${suite//-/_}" "$work" >"$work/$suite.get.log" 2>&1 || { tail -n 5 "$work/$suite.get.log" >&2; echo "$suite cannot be fetched or built here"; exit 3; }
done
failed=0
for suite in "${suites[@]}"; do
  for target in reference gam; do one "$suite" "$target"; done
  verdict "$suite" || failed=1
done
exit $failed
