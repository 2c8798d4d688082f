#!/usr/bin/env bash
# Every number that Gam promises on one host, as one table, each with its limit: Gam against what it stands in front of, and
# against dockerd's own swarm mode, by turns in one run. As root, where compat-tests/run.sh works. Fails if a limit is missed.
#   benches/run.sh          takes some minutes; keep the machine quiet meanwhile
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LAB_NAME=bench
lab=compat-tests/lab
turns=7 replicas=30 services=1000 service_turns=3 megabytes=500 log_megabytes=200
failed=0

cargo build --release --locked --quiet --bin gam --bench proxy --bench services
target=${CARGO_TARGET_DIR:-$PWD/target}
export GAM_BIN=$target/release/gam
bench() { find "$target/release/deps" -name "$1-*" -type f -perm -u+x -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-; }

trap '$lab down' EXIT
$lab down
# Host 1 runs Gam in front of its dockerd, host 2 dockerd's own swarm mode.
$lab up 2
$lab gam-start 1
dir=${LAB_DIR:-/tmp/gamlab-$LAB_NAME}
direct=$dir/h1/docker.sock proxied=$dir/h1/gam.sock reference=$dir/h2/docker.sock
on() { local socket=$1; shift; docker -H "unix://$socket" "$@"; }
api() { curl -s --unix-socket "$1" "http://d$2"; }
for host in 1 2; do
  socket=$proxied && [ $host = 2 ] && socket=$reference
  $lab exec $host env DOCKER_HOST="unix://$socket" docker swarm init --advertise-addr "$($lab addr $host)" >/dev/null
done

row() { # row HELD WHAT REFERENCE GAM FIGURE LIMIT
  local held=$1 mark=''
  shift
  [ "$held" = 1 ] || { failed=1 mark=' **missed**'; }
  printf '| %s | %s | %s | %s | %s |%s\n' "$@" "$mark"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
holds() { awk -v a="$1" -v op="$2" -v b="$3" 'BEGIN {print (op == "<=" ? a <= b : a < b) ? 1 : 0}'; }
millis() { echo $((${EPOCHREALTIME/./} / 1000)); }
until_so() { # until_so WHAT COMMAND...: polls, for a minute at most
  local what=$1 end=$((SECONDS + 60))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || { echo "run.sh: after a minute still not so: $what" >&2; exit 1; }
    sleep 0.01
  done
}

echo "| what | without Gam | with Gam | figure | limit |"
echo "| --- | --- | --- | --- | --- |"

# ---- the proxy --------------------------------------------------------------------------------------------------------
big=$(mktemp -d "$dir/big.XXXX")
mkdir "$big/root"
head -c "${megabytes}000000" /dev/urandom >"$big/root/file"
tar -C "$big/root" -c . | on "$direct" import - big >/dev/null
rm -r "$big/root"
on "$direct" save big -o "$big/big.tar"
on "$direct" run --name talker busybox sh -c "yes 'a line of a log that is neither short nor long, as lines of logs are' | head -c ${log_megabytes}000000" >/dev/null
STREAMS="/images/big/get /containers/talker/logs?stdout=1" UPLOAD=$big/big.tar DIRECT=$direct PROXIED=$proxied "$(bench proxy)" || failed=1
on "$direct" rm talker >/dev/null
on "$direct" rmi big >/dev/null
rm -r "$big"

# ---- thirty replicas --------------------------------------------------------------------------------------------------
# Asked for seldom and cheaply: a processor that polls is one that starts no containers.
running() { sleep 0.05; [[ $(api "$1" '/services?status=true') == *"\"RunningTasks\":$replicas"* ]]; }
none() { [ -z "$(on "$1" ps -aq)" ]; }
service() { # service SOCKET ENGINE: milliseconds until all replicas run
  local start; start=$(millis)
  on "$1" service create -d --name many --replicas $replicas --stop-signal KILL --no-resolve-image busybox sleep 100000 >/dev/null
  until_so 'all replicas run' running "$1"
  echo $(($(millis) - start))
  on "$1" service rm many >/dev/null
  until_so 'all replicas are gone' none "$2"
}
containers() { # the same by hand
  local start i; start=$(millis)
  for i in $(seq $replicas); do on "$direct" run -d --name "many$i" --stop-signal KILL busybox sleep 100000 >/dev/null & done
  wait
  echo $(($(millis) - start))
  on "$direct" ps -aq | xargs docker -H "unix://$direct" rm -f >/dev/null
}
service "$proxied" "$direct" >/dev/null; containers >/dev/null; service "$reference" "$reference" >/dev/null   # warm up
for _ in $(seq $turns); do
  containers >>"$dir/containers"
  service "$proxied" "$direct" >>"$dir/gam"
  service "$reference" "$reference" >>"$dir/reference"
done
by_hand=$(median <"$dir/containers") gam=$(median <"$dir/gam") swarm=$(median <"$dir/reference")
over=$(ratio "$gam" "$by_hand") under=$(ratio "$gam" "$swarm")
row "$(holds "$over" '<=' 1.25)" "$replicas replicas until all run, against $replicas parallel \`docker run -d\`" "$by_hand ms" "$gam ms" "$over x" 'at most 1.25 x'
row "$(holds "$under" '<' 1)" "the same, against dockerd's own swarm mode" "$swarm ms" "$gam ms" "$under x" 'below 1 x'

# ---- rest --------------------------------------------------------------------------------------------------------------
for name in a b c; do on "$proxied" service create -d --name $name --replicas 2 --no-resolve-image busybox sleep 100000 >/dev/null; done
all_run() { [ "$(on "$direct" ps -q | wc -l)" = 6 ]; }
until_so 'six tasks run' all_run
pid=$(cat "$dir/h1/gam.pid")
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
sleep 5   # what the tasks leave to do is done by then; from here on it is at rest
before=$(ticks)
sleep 20
cpu=$(awk -v t=$(($(ticks) - before)) -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.2f", t / hz / 20 * 100}')
resident() { awk '/^VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$pid/status"; }
rss=$(resident)
row "$(holds "$rss" '<=' 30)" 'resident memory at rest, 3 services of 2 replicas' '' "$rss MB" '' 'at most 30 MB'
row "$(holds "$cpu" '<=' 0.5)" 'processor at rest, of one core' '' "$cpu %" '' 'at most 0.5 %'
on "$proxied" service rm a b c >/dev/null
until_so 'all tasks are gone' none "$direct"

# ---- services one by one ----------------------------------------------------------------------------------------------
# Each is on the disk before it is acknowledged: the states of both are beside each other, and not in memory.
[ "$(stat -f -c %T "$dir")" != tmpfs ] || { echo "run.sh: $dir must be on a disk: what is written would cost nothing" >&2; exit 1; }
for _ in $(seq $service_turns); do
  "$(bench services)" "$proxied" $services >>"$dir/made.gam"
  "$(bench services)" "$reference" $services >>"$dir/made.reference"
done
column() { cut -d' ' -f"$2" "$dir/made.$1" | median; }
rate=$(column gam 1) growth=$(column gam 2)
row "$(holds 300 '<=' "$rate")" "$services services created one by one, each on the disk" "$(column reference 1) /s" "$rate /s" "$(ratio "$rate" "$(column reference 1)") x" 'at least 300 /s'
row "$(holds "$growth" '<=' 1.25)" 'the last quarter of them against the first' "$(column reference 2) x" "$growth x" '' 'at most 1.25 x'
# The log is in memory until its next snapshot, and what was freed stays the allocator's.
row 1 "resident memory after $((service_turns * services)) services came and went" '' "$(resident) MB" '' ''

# ---- start, with the log of all that ---------------------------------------------------------------------------------------
start_gam() { local start; start=$(millis); $lab gam-start 1; echo $(($(millis) - start)); }
for _ in $(seq $turns); do $lab gam-kill 1; start_gam >>"$dir/starts"; done
start=$(median <"$dir/starts")
row "$(holds "$start" '<=' 300)" 'start until the first answer, with state' '' "$start ms" '' 'at most 300 ms'
exit $failed
