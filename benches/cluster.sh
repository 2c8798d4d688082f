#!/usr/bin/env bash
# What several hosts cost and promise, as one table, each number with its limit: dockerd's own swarm mode and Gam, one after the
# other in one run, in the lab (compat-tests/lab). As root, where compat-tests/run.sh works. Fails if a limit is missed.
#   benches/cluster.sh [PART...]   all parts take some thirty minutes; keep the machine quiet meanwhile
# The parts: join, failover, calm, host, agents, update. TRIES (20) is how often each fault is tried on Gam, REFERENCE_TRIES (3) how often on
# dockerd's own, which needs 11-29 s to find a new leader. SIDES ("reference gam") leaves one of them out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LAB_NAME=${LAB_NAME:-cluster}
lab=compat-tests/lab
tries=${TRIES:-20} reference_tries=${REFERENCE_TRIES:-3} few=5 agents=100 slots=30
parts=${*:-join failover calm host agents update}
sides=${SIDES:-reference gam}
profile=${PROFILE:-release}   # debug only to try this script out
hosts='1 2 3 4'   # three managers and a worker
failed=0

cargo build --locked --quiet --profile "${profile/debug/dev}" --bin gam --bench cluster --bench agents
target=${CARGO_TARGET_DIR:-$PWD/target}
export GAM_BIN=$target/$profile/gam
bench() { find "$target/$profile/deps" -name "$1-*" -type f -perm -u+x -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-; }
watch=$(bench cluster) workers=$(bench agents)

dir=${LAB_DIR:-/tmp/gamlab-$LAB_NAME}
out=$(mktemp -d)
trap '$lab down; rm -r "$out"' EXIT
$lab down

say() { echo "cluster.sh: $side: $*" >&2; }
die() { echo "cluster.sh: $*" >&2; exit 1; }
millis() { echo $((${EPOCHREALTIME/./} / 1000)); }
comes_true() { # comes_true COMMAND...: polls, for three minutes at most: so long the reference may take to find itself again
  local end=$((SECONDS + 180))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.02
  done
}
until_so() { # until_so WHAT COMMAND...: goes on once it is so
  local what=$1
  shift
  comes_true "$@" || die "$side: after three minutes still not so: $what"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
worst() { sort -n | tail -n 1; }
note() { echo "$2" >>"$out/$side.$1"; }   # note KEY NUMBER: one result of this side

# ---- one side: the same hosts, the same clients, another swarm ----------------------------------------------------------------
engine() { echo "$dir/h$1/docker.sock"; }
socket() { if [ "$side" = gam ]; then echo "$dir/h$1/gam.sock"; else engine "$1"; fi; }
on() { local k=$1; shift; docker -H "unix://$(socket "$k")" "$@"; }
api() { curl -s --max-time 2 --unix-socket "$(socket "$1")" "http://d$2" || true; }
daemon_start() { if [ "$side" = gam ]; then $lab gam-start "$1"; else $lab start "$1"; fi; }
daemon_kill() { if [ "$side" = gam ]; then echo gam-kill; else echo stop; fi; }
daemon_stop() { if [ "$side" = gam ]; then echo gam-stop; else echo term; fi; }
rounds() { if [ "$side" = gam ]; then echo "$tries"; else echo "$reference_tries"; fi; }

hosts_up() { # hosts_up N: a swarm of host 1, and N-1 hosts beside it
  local k
  $lab up "$1"
  if [ "$side" = gam ]; then for k in $(seq "$1"); do $lab gam-start "$k"; done; fi
  on 1 swarm init --advertise-addr "$($lab addr 1)" >/dev/null
}
# Asked over one manager: as many nodes are ready, and as many managers reachable.
ready() {
  local nodes; nodes=$(api "$1" /nodes)
  [ "$(grep -o '"State":"ready"' <<<"$nodes" | wc -l)" = "$2" ] && [ "$(grep -o '"Reachability":"reachable"' <<<"$nodes" | wc -l)" = "$3" ]
}
leader() { # the number of the host that leads, asked over host $1
  local host; host=$(on "$1" node ls --format '{{.ManagerStatus}} {{.Hostname}}' | sed -n 's/^Leader host//p')
  [ -n "$host" ] && echo "$host"
}
other() { echo $(($1 % 3 + 1)); }   # another manager
running() { local k; for k in "$@"; do curl -s --max-time 2 --unix-socket "$(engine "$k")" http://d/containers/json || true; done | grep -o '"Id":"[0-9a-f]*"' | sort; }
# Every container that runs, and every task that ever was.
picture() { running $hosts; on "$1" service ps calm --no-trunc --format '{{.ID}} {{.Node}} {{.DesiredState}}' | sort; }
nine() { [ "$(running "$@" | wc -l)" = 9 ]; }
nothing_runs() { until_so 'no container is left' calm_gone; }
calm_gone() { on 1 service rm calm >/dev/null 2>&1 || true; none; }
calm_service() { # nine tasks, three on each host but the first
  nothing_runs
  on 1 service create -d --name calm --replicas 9 --constraint 'node.hostname!=host1' --stop-signal KILL --no-resolve-image busybox sleep 100000 >/dev/null
  until_so 'nine tasks run' nine $hosts
}
none() { [ -z "$(running $hosts)" ]; }
# A host that runs a new task has heard what its manager wants of it, and its manager has heard it.
probe() { # probe ASKED HOST
  on "$1" service create -d --name probe --constraint "node.hostname==host$2" --stop-signal KILL --no-resolve-image busybox sleep 100000 >/dev/null
  until_so "host $2 runs a new task" probe_runs "$1"
  on "$1" service rm probe >/dev/null
  until_so 'the new task is gone' probe_gone
}
probe_runs() { [[ $(api "$1" '/services?status=true&filters=%7B%22name%22%3A%5B%22probe%22%5D%7D') == *'"RunningTasks":1'* ]]; }
probe_gone() { local k; for k in $hosts; do [[ $(curl -s --unix-socket "$(engine "$k")" http://d/containers/json?all=1) != *'"/probe.'* ]] || return 1; done; }
whole() { until_so 'four nodes are ready, three of them managers' ready "$1" 4 3; }
form() {
  local k role=manager
  for k in 2 3 4; do
    [ "$k" != 4 ] || role=worker
    on "$k" swarm join --token "$(on 1 swarm join-token -q $role)" "$($lab addr 1):2377" >/dev/null
  done
  whole 1
}

# ---- the parts ----------------------------------------------------------------------------------------------------------------
join() { # on a swarm of host 1 alone
  local i role token took
  for i in $(seq $few); do
    for role in worker manager; do
      token=$(on 1 swarm join-token -q $role)
      local managers=1; [ $role = worker ] || managers=2
      took=$("$watch" ready "$(socket 1)" 2 $managers docker -H "unix://$(socket 2)" swarm join --token "$token" "$($lab addr 1):2377")
      note "join-$role" "$took"
      if [ $role = manager ]; then
        until_so 'the manager can be demoted' on 1 node demote host2 >/dev/null 2>&1
        until_so 'it is a worker' is_worker 2
      fi
      on 2 swarm leave >/dev/null
      on 1 node rm --force host2 >/dev/null
    done
  done
}
is_worker() { on "$1" info --format '{{.Swarm.ControlAvailable}}' | grep -qx false; }

# failover KEY FAULT HEAL: a fault of the leader, and the longest wait of a write over another manager; also whether a task was restarted.
failover() {
  local key=$1 fault=$2 heal=$3 i led asked took before after
  on 1 service create -d --name write --replicas 0 --no-resolve-image busybox >/dev/null
  calm_service
  before=$(picture 1)
  for i in $(seq "$(rounds)"); do
    led=$(leader 1)
    asked=$(other "$led")
    [ $((i % 2)) = 0 ] || asked=$(other "$asked")
    took=$("$watch" outage "$(socket "$asked")" write $lab "$fault" "$led")
    note "$key" "$took"
    if [ "$heal" = heal ]; then $lab heal "$led"; else daemon_start "$led"; fi
    whole "$asked"
    probe "$asked" "$led"
    until_so 'nine tasks run' nine $hosts
    after=$(picture "$asked")
    calm_if "$key-calm" "$before" "$after"
    before=$after
  done
  on 1 service rm write >/dev/null
}
calm_if() { if [ "$2" = "$3" ]; then note "$1" 1; else note "$1" 0; diff <(echo "$2") <(echo "$3") >&2 || true; fi; }

# update: the leader is killed and cut off by turns while a rolling update is under way, at a random point of it, and is back once
# another one leads. Each slot must then have one task of the new version and no more, and nothing else may run. It comes last: a
# swarm that has lost an update does not always let go of the service either.
update() {
  local i led asked at fault heal
  RANDOM=1   # the same points in every run
  nothing_runs
  on 1 service create -d --name roll --replicas $slots --update-parallelism 3 --update-failure-action continue --stop-signal KILL \
    --container-label version=0 --no-resolve-image busybox sleep 100000 >/dev/null
  until_so "$slots tasks run" rolled 0 $slots
  for i in $(seq "$(rounds)"); do
    if [ $((i % 2)) = 1 ]; then fault=$(daemon_kill) heal=daemon_start; else fault=cut heal="$lab heal"; fi
    led=$(leader 1)
    asked=$(other "$led")
    at=$((RANDOM % (slots - 5) + 1))
    on "$asked" service update -d --container-label-add "version=$i" --no-resolve-image roll >/dev/null
    until_so "$at tasks of $slots are updated" rolled "$i" "$at"
    $lab "$fault" "$led"
    # Whatever runs now was begun before anybody else could lead.
    ! rolled "$i" $slots || die "$side: the update was over before the leader was lost"
    until_so 'another manager leads' leads_other "$asked" "$led"
    $heal "$led"
    whole "$asked"
    comes_true update_ended "$asked" || { say "update $i did not end" && note update 0 && return; }
    # An update that was lost on the way is a result, of the reference too, and the last one: it may go on at any time.
    comes_true rolled_alone "$i" || { say "update $i came to no end" && note update 0 && return; }
    if once_each "$asked" "$i"; then note update 1; else note update 0; fi
  done
  on 1 service rm roll >/dev/null
  until_so 'no container is left' none
}
rolled() { # rolled VERSION N: at least N containers of the version run
  local k count=0 found
  for k in $hosts; do
    found=$(curl -s -g --max-time 2 --unix-socket "$(engine "$k")" "http://d/containers/json?filters=%7B%22label%22%3A%5B%22version%3D$1%22%5D%7D" || true)
    count=$((count + $(grep -o '"Id":"[0-9a-f]*"' <<<"$found" | wc -l)))
  done
  [ $count -ge "$2" ]
}
rolled_alone() { [ "$(running $hosts | wc -l)" = $slots ] && rolled "$1" $slots; }
leads_other() { local now; now=$(leader "$1" 2>/dev/null) && [ "$now" != "$2" ]; }
update_ended() { [[ $(api "$1" /services/roll) =~ '"UpdateStatus":{"State":"'(completed|paused) ]]; }
once_each() { # once_each ASKED VERSION: of all tasks that ever were of it, one for each slot
  local found
  found=$(api "$1" '/tasks?filters=%7B%22service%22%3A%5B%22roll%22%5D%7D' |
    jq -r --arg v "$2" '.[] | select(.Spec.ContainerSpec.Labels.version == $v) | .Slot' | sort -n | uniq -c | awk '{print $1 "x" $2}')
  [ "$found" != "$(seq -f '1x%g' $slots)" ] || return 0
  say "of version $2 there are (times x slot):" $found
  return 1
}

# calm KEY FAULT HEAL: a fault of four seconds, of each host in turn.
calm() {
  local key=$1 fault=$2 heal=$3 i k before after
  calm_service
  before=$(picture 1)
  for i in $(seq "$(rounds)"); do
    k=$((i % 4 + 1))
    $lab "$fault" "$k"
    sleep 4
    $lab "$heal" "$k"
    whole "$(other "$k")"
    probe "$(other "$k")" "$k"
    after=$(picture "$(other "$k")")
    calm_if "$key" "$before" "$after"
    before=$after
  done
}

host() { # the worker and a manager that does not lead by turns, each with three of nine tasks
  local i cut start
  for i in $(seq "$(($(rounds) < few ? $(rounds) : few))"); do
    calm_service
    cut=4
    [ $((i % 2)) = 1 ] || { cut=2 && [ "$(leader 1)" != 2 ] || cut=3; }
    local rest=(1 2 3 4)
    unset "rest[cut - 1]"
    [ "$(running "$cut" | wc -l)" = 3 ] || die "$side: host $cut does not run three of nine tasks"
    start=$(millis)
    $lab cut "$cut"
    until_so 'nine tasks run elsewhere' nine "${rest[@]}"
    note host $(($(millis) - start))
    $lab heal "$cut"
    whole 1
    until_so 'the replaced tasks have ended' nine $hosts
  done
}

agents() { # on a swarm of host 1 alone
  local pid before_kb after_kb seconds=20 ticks folder=$out/agents
  mkdir -p "$folder"
  pid=$(cat "$dir/h1/gam.pid")
  # Without the pages of the program itself, which the first session brings in for all.
  resident() { awk '/^RssAnon/ {print $2}' "/proc/$pid/status"; }
  ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
  before_kb=$(resident)
  coproc FAKES { $lab exec 2 "$workers" $agents "$($lab addr 1):2377" "$(on 1 swarm join-token -q worker)" "$($lab addr 2)" "$folder"; }
  local fakes=$FAKES_PID in=${FAKES[1]}
  read -r -t 180 _ <&"${FAKES[0]}" || die 'the agents did not join'
  until_so 'all agents are ready' ready 1 $((agents + 1)) 1
  ticks=$(ticks)
  sleep $seconds
  note agents-cpu "$(awk -v t=$(($(ticks) - ticks)) -v hz="$(getconf CLK_TCK)" -v s=$seconds 'BEGIN {printf "%.2f", t / hz / s * 100}')"
  after_kb=$(resident)
  note agents-kb $(((after_kb - before_kb) / agents))
  until_so 'all agents are still ready' ready 1 $((agents + 1)) 1
  exec {in}>&-
  wait "$fakes" || true
}

for side in $sides; do
  if [[ " $parts " != " agents " ]]; then
    say 'four hosts come up'
    hosts_up 4
    for part in $parts; do
      [ "$part" != join ] || { say join; join; }
    done
    form
    for part in $parts; do
      case $part in
      failover)
        say 'the leader is cut off'; failover cut cut heal
        say 'the leader is killed'; failover kill "$(daemon_kill)" start
        say 'the leader is stopped'; failover stop "$(daemon_stop)" start;;
      update) say 'the leader is lost in updates'; update;;
      calm)
        say 'a host is paused'; calm pause pause resume
        say 'a host is cut off for a while'; calm short cut heal;;
      host) say 'a host is lost'; host;;
      esac
    done
    $lab down
  fi
  if [ "$side" = gam ] && [[ " $parts " = *' agents '* ]]; then
    say "$agents agents"
    hosts_up 2
    agents
    $lab down
  fi
done

# ---- the table ----------------------------------------------------------------------------------------------------------------
row() { # row HELD WHAT REFERENCE GAM LIMIT
  local held=$1 mark=''
  shift
  [ "$held" = 1 ] || { failed=1 mark=' **missed**'; }
  printf '| %s | %s | %s | %s |%s\n' "$@" "$mark"
}
has() { [ -s "$out/$side.$1" ]; }
times() { # times SIDE KEY: median and worst of its tries
  side=$1
  has "$2" || { echo -; return; }
  echo "$(median <"$out/$1.$2") ms, worst of $(wc -l <"$out/$1.$2") $(worst <"$out/$1.$2") ms"
}
within() { # within KEY MEDIAN WORST: whether Gam's times are
  [ -s "$out/gam.$1" ] && [ "$(median <"$out/gam.$1")" -le "$2" ] && [ "$(worst <"$out/gam.$1")" -le "$3" ] && echo 1 || echo 0
}
counts() { # counts SIDE KEY...: how many of all tries were calm
  side=$1
  shift
  local files=() key
  for key in "$@"; do has "$key" && files+=("$out/$side.$key"); done
  [ ${#files[@]} -gt 0 ] || { echo -; return; }
  cat "${files[@]}" | awk '{sum += $1} END {printf "%d of %d", sum, NR}'
}
all() { local text; text=$(counts gam "$@"); [ "${text% of *}" = "${text#* of }" ] && [ "$text" != - ] && echo 1 || echo 0; }

timed() { row "$(within "$2" "$3" "$4")" "$1" "$(times reference "$2")" "$(times gam "$2")" "$5"; }
calmly() { local what=$1; shift; row "$(all "$@")" "$what" "$(counts reference "$@")" "$(counts gam "$@")" 'all'; }
echo "| what | dockerd's own | Gam | limit |"
echo '| --- | --- | --- | --- |'
for part in $parts; do
  case $part in
  join)
    timed 'worker joins: from the command until `Ready` in `node ls`' join-worker 300 300 '300 ms'
    timed 'manager joins: the same, and `Reachable`' join-manager 300 300 '300 ms';;
  failover)
    timed "leader's cable cut, until a write succeeds over another manager" cut 1000 2000 '1 s, worst 2 s'
    timed 'leader killed with -9, the same' kill 1000 2000 '1 s, worst 2 s'
    timed 'leader stopped, longest wait of a write' stop 200 200 '200 ms'
    calmly 'no task restarted when the leader changes by a cut' cut-calm
    calmly 'no task restarted when its daemon is killed or stopped, and started' kill-calm stop-calm;;
  update) calmly "leader killed or cut off in an update of $slots tasks: one new task in each slot, none twice, none left out" update;;
  calm)
    calmly 'no task restarted by a pause of 4 s' pause
    calmly 'no task restarted by a cut of 4 s' short;;
  host) timed 'host with 3 of 9 tasks cut off, until 9 run elsewhere' host 6000 6000 '6 s';;
  agents)
    side=gam cpu=$(cat "$out/gam.agents-cpu" 2>/dev/null || echo -) kb=$(cat "$out/gam.agents-kb" 2>/dev/null || echo -)
    row "$(awk -v c="$cpu" 'BEGIN {print c != "-" && c < 1}')" "$agents agents, the leader's processor, of one core" '' "$cpu %" 'below 1 %'
    row "$(awk -v k="$kb" 'BEGIN {print k != "-" && k < 100}')" 'the memory of the leader for each' '' "$kb KB" 'below 100 KB';;
  esac
done
exit $failed
