#!/usr/bin/env bash
# What Gam's networks cost and promise, as one table, each number with its limit where there is one: in the lab (compat-tests/lab), three
# hosts. As root, where compat-tests/run.sh works, with `rustc` and Debian's `haproxy`. Fails if a limit is missed.
#   benches/network.sh [PART...]   all parts take some minutes; keep the machine quiet meanwhile
# The parts: update, change, traffic, proxied, tables. SECONDS_OF_LOAD (35) is how long each update is loaded. Where Docker's swarm mode is the
# measure, it is dockerd's own in the same lab; its virtual addresses are IPVS, which not every kernel has, so they are not compared.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LAB_NAME=${LAB_NAME:-network}
lab=compat-tests/lab
parts=${*:-update change traffic proxied tables}
load_s=${SECONDS_OF_LOAD:-35} tries=${TRIES:-10} turns=3 traffic_s=4
profile=${PROFILE:-release}   # debug only to try this script out
failed=0

if [ -z "${GAM_BIN:-}" ]; then cargo build --locked --quiet --profile "${profile/debug/dev}" --bin gam --bench tables; fi
target=${CARGO_TARGET_DIR:-$PWD/target}
export GAM_BIN=${GAM_BIN:-$target/$profile/gam}
dir=${LAB_DIR:-/tmp/gamlab-$LAB_NAME}
out=$(mktemp -d)
# Static, because it runs in containers that hold nothing else.
load=$out/load
rustc --edition 2024 -O -C target-feature=+crt-static -o "$load" benches/load.rs
trap '$lab down; rm -r "$out"' EXIT
$lab down

die() { echo "network.sh: $*" >&2; exit 1; }
millis() { echo $((${EPOCHREALTIME/./} / 1000)); }
until_so() { # until_so WHAT COMMAND...: polls, for a minute at most
  local what=$1 end=$((SECONDS + 60))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || die "after a minute still not so: $what"
    sleep 0.05
  done
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
worst() { sort -n | tail -n 1; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
holds() { awk -v a="$1" -v op="$2" -v b="$3" 'BEGIN {print (op == "<=" ? a <= b : op == ">=" ? a >= b : a < b) ? 1 : 0}'; }
row() { # row HELD WHAT FIGURE LIMIT
  local held=$1 mark=''
  shift
  [ "$held" = 1 ] || { failed=1 mark=' **missed**'; }
  printf '| %s | %s | %s |%s\n' "$@" "$mark"
}

# ---- one side: the same hosts and clients, another swarm ---------------------------------------------------------------------
engine() { echo "$dir/h$1/docker.sock"; }
socket() { if [ "$side" = gam ]; then echo "$dir/h$1/gam.sock"; else engine "$1"; fi; }
on() { local k=$1; shift; docker -H "unix://$(socket "$k")" "$@"; }
below() { local k=$1; shift; docker -H "unix://$(engine "$k")" "$@"; }
# A client opens more connections a minute than it has ports by default.
many_ports='echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse; echo 10000 65535 >/proc/sys/net/ipv4/ip_local_port_range'
swarm_up() { # swarm_up SIDE: three hosts, and a client on a network on each
  local k
  side=$1
  $lab up 3
  if [ "$side" = gam ]; then for k in 1 2 3; do $lab gam-start $k; done; fi
  on 1 swarm init --advertise-addr "$($lab addr 1)" >/dev/null
  for k in 2 3; do on $k swarm join --token "$(on 1 swarm join-token -q worker)" "$($lab addr 1):2377" >/dev/null; done
  on 1 network create -d overlay --attachable net >/dev/null
  for k in 1 2 3; do
    until_so 'a client runs' client $k 2>/dev/null
    inside $k "$(pid $k client)" sh -c "$many_ports"
  done
}
client() { on "$1" rm -f client >/dev/null; on "$1" run -d --name client --stop-signal KILL --network net busybox sleep 100000 >/dev/null; }
pid() { below "$1" inspect "$2" --format '{{.State.Pid}}'; }
inside() { local k=$1 pid=$2; shift 2; $lab exec "$k" nsenter -t "$pid" -n "$@"; }   # in the network of a container of host K
vip() { on 1 service inspect "$1" --format '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}' | awk '{sub("/.*", "", $NF); print $NF}'; }   # on `net`: that on ingress comes first
containers() { below "$1" ps -q --filter "label=com.docker.swarm.service.name=$2"; }
running() { [ "$(on 1 service ls --filter "name=$1" --format '{{.Replicas}}')" = "$2/$2" ]; }
web() { # web REPLICAS: answers requests; a task that is told to stop says so in its answers, and goes when all have heard it
  on 1 service create -d --name web --network net --replicas "$1" --no-resolve-image --stop-grace-period 20s \
    --mount "type=bind,source=$load,target=/load,readonly" \
    --health-cmd "netstat -tln | grep -q :80" --health-interval 300ms busybox \
    sh -c 'trap "printf \"GET /quit HTTP/1.1\\r\\n\\r\\n\" | nc 127.0.0.1 80" TERM; /load serve 80 & wait; wait' >/dev/null
  until_so 'all replicas run' running web "$1"
}

# ---- the parts ----------------------------------------------------------------------------------------------------------------
update() { # a rolling update under load, in either order
  local order how k total=0 requests failures n f begin took
  local -A names=([keep]='kept connections' [new]='a connection for each request')
  swarm_up gam
  web 6
  for order in stop-first start-first; do
    for how in keep new; do
      for k in 1 2; do
        inside $k "$(pid $k client)" "$load" run "$(vip web)" 80 2 "$load_s" $how >"$out/$order.$how.$k" 2>"$out/$order.$how.$k.err" &
      done
    done
    sleep 1
    begin=$(millis)
    on 1 service update --force --update-order $order --update-monitor 10ms --update-parallelism 1 web >/dev/null
    took=$(($(millis) - begin))
    wait
    row "$(holds $took '<' $((load_s * 1000 - 1000)))" "duration of that update, $order" "$((took / 1000)) s" "within the load"
    for how in keep new; do
      requests=0 failures=0
      for k in 1 2; do
        read -r _ n _ f _ <"$out/$order.$how.$k"
        requests=$((requests + n)) failures=$((failures + f))
        [ "$f" = 0 ] || sort "$out/$order.$how.$k.err" | head -5 >&2
      done
      total=$((total + requests))
      row "$(holds $failures '<=' 0)" "rolling update of 6 replicas, $order, through the VIP, ${names[$how]}" "$failures of $requests requests failed" "0"
    done
  done
  row "$(holds $total '>=' 100000)" "requests in all" "$total" "100000 or more"
  on 1 service rm web >/dev/null
  $lab down
}
change() { # from the request to the kernel of the last container: the rules of all of them are watched
  local try k id begin watched
  swarm_up gam
  web 6
  for try in $(seq "$tries"); do
    watched=()
    for k in 1 2 3; do
      for id in $(containers $k web) client; do
        (inside $k "$(pid $k "$id")" timeout 20 nft monitor rules 2>/dev/null | "$load" stamp >"$out/stamp.$k.$id") &
        watched+=("$out/stamp.$k.$id")
      done
    done
    sleep 1
    begin=$(millis)
    on 1 service scale -d web=5 >/dev/null
    until_so 'every container was told' told "${watched[@]}"
    cat "${watched[@]}" | worst | awk -v begin="$begin" '{print $1 - begin}' >>"$out/change"
    rm "${watched[@]}"
    on 1 service scale -d web=6 >/dev/null
    until_so 'all replicas run' running web 6
    until_so 'no more than these run' exactly 6
    wait
  done
  local middle last; middle=$(median <"$out/change") last=$(worst <"$out/change")
  row "$(holds "$last" '<' 300)" "service scale -d of 6 to 5 → every container on 3 hosts balances without it, $tries times" "$middle ms, at worst $last ms" "300 ms"
  on 1 service rm web >/dev/null
  $lab down
}
told() { local file; for file in "$@"; do [ -s "$file" ] || return 1; done; }
exactly() { [ "$( (for k in 1 2 3; do containers $k web; done) | wc -l)" = "$1" ]; }
between() { # between KEY ADDRESS PIDS: throughput and latency from the client of host 1 to a server on host 2
  inside 1 "$(pid 1 client)" "$load" pour "$2" 5001 $traffic_s | awk '{print $2}' >>"$out/$1.megabits"
  inside 1 "$(pid 1 client)" "$load" run "$2" 80 1 $traffic_s keep | awk '{print $6}' >>"$out/$1.micros"
  inside 1 "$(pid 1 client)" "$load" run "$2" 80 4 $traffic_s new | fresh >>"$out/$1.new"
}
serve() { # serve PID: in the network of a container of host 2
  inside 2 "$1" sh -c "$load serve 80 >/dev/null 2>&1 & $load sink 5001 >/dev/null 2>&1 &"
}
traffic() { # from host 1 to host 2: by dockerd's own overlay, by Gam's, and by Gam's virtual address
  local turn address id key
  swarm_up reference
  serve "$(pid 2 client)"
  address=$(below 2 inspect client --format '{{.NetworkSettings.Networks.net.IPAddress}}')
  for turn in $(seq $turns); do between docker "$address"; done
  $lab down
  swarm_up gam
  on 1 service create -d --name one --network net --constraint node.hostname==host2 --no-resolve-image --stop-signal KILL busybox sleep 100000 >/dev/null
  until_so 'it runs' running one 1
  id=$(containers 2 one)
  serve "$(pid 2 "$id")"
  address=$(below 2 inspect "$id" --format '{{.NetworkSettings.Networks.net.IPAddress}}')
  for turn in $(seq $turns); do between direct "$address"; between vip "$(vip one)"; done
  $lab down
  for key in docker direct vip; do eval "$key=$(median <"$out/$key.megabits") ${key}_t=$(median <"$out/$key.micros") ${key}_n=$(median <"$out/$key.new")"; done
  row "$(holds "$(ratio "$direct" "$docker")" '>=' 0.9)" "one stream between two hosts: Gam beside dockerd's overlay" "$direct beside $docker Mbit/s, $(ratio "$direct" "$docker")" "as much (0.9)"
  row "$(holds "$(ratio "$vip" "$direct")" '>=' 0.95)" "the same through a VIP, beside direct" "$vip beside $direct Mbit/s, $(ratio "$vip" "$direct")" "0.95"
  row 1 "median time of a request: VIP, direct, dockerd's overlay" "$vip_t, $direct_t, $docker_t µs" ""
  row 1 "new connections a second: VIP, direct, dockerd's overlay" "$vip_n, $direct_n, $docker_n" ""
}
fresh() { awk -v s=$traffic_s '$4 {print $4 " requests failed" >"/dev/stderr"; exit 1} {printf "%.0f\n", $2 / s}'; }   # new connections a second
haproxy_at() { # haproxy_at PORT SERVER: a configuration that does what the kernel does here: it picks a server and passes bytes on
  printf '%s\n' global '  maxconn 4096' defaults '  mode tcp' '  timeout connect 5s' '  timeout client 30s' '  timeout server 30s' \
    "listen web" "  bind :$1" "  server one $2"
}
proxied() { # new connections by Gam's rules and by an haproxy in the same place, to a task on host 2
  local turn address k key
  command -v haproxy >/dev/null || die "needs Debian's haproxy"
  swarm_up gam
  $lab switch sh -c "$many_ports"
  for k in 1 2; do $lab exec $k sh -c "$many_ports"; done
  on 1 service create -d --name one --network net --publish 8080:80 --publish mode=host,published=8081,target=80 --constraint node.hostname==host2 \
    --no-resolve-image --mount "type=bind,source=$load,target=/load,readonly" busybox /load serve 80 >/dev/null
  until_so 'it runs' running one 1
  address=$(below 2 inspect "$(containers 2 one)" --format '{{.NetworkSettings.Networks.net.IPAddress}}')
  haproxy_at 9080 "$address:80" >"$out/inside.cfg"
  haproxy_at 9081 "$($lab addr 2):8081" >"$out/host.cfg"
  # They end with their hosts.
  inside 1 "$(pid 1 client)" haproxy -D -f "$out/inside.cfg"
  $lab exec 1 haproxy -D -f "$out/host.cfg"
  until_so 'the VIP leads to it' inside 1 "$(pid 1 client)" timeout 1 bash -c "exec 3<>/dev/tcp/$(vip one)/80" 2>/dev/null
  for turn in $(seq $turns); do
    inside 1 "$(pid 1 client)" "$load" run "$(vip one)" 80 4 $traffic_s new | fresh >>"$out/vip.fresh"
    inside 1 "$(pid 1 client)" "$load" run 127.0.0.1 9080 4 $traffic_s new | fresh >>"$out/inside.fresh"
    $lab switch "$load" run "$($lab addr 1)" 8080 4 $traffic_s new | fresh >>"$out/mesh.fresh"
    $lab switch "$load" run "$($lab addr 1)" 9081 4 $traffic_s new | fresh >>"$out/host.fresh"
  done
  $lab down
  for key in vip inside mesh host; do eval "$key=$(median <"$out/$key.fresh")"; done
  row 1 "new connections a second through a VIP, beside an haproxy in the client's container" "$vip beside $inside, $(ratio "$vip" "$inside")" ""
  row 1 "the same through a published port of host 1, beside an haproxy on that host" "$mesh beside $host, $(ratio "$mesh" "$host")" ""
}
tables() { # 500 services of 10 tasks, known to 50 containers of one node
  local bench full change
  bench=$(find "$target/$profile/deps" -name 'tables-*' -type f -perm -u+x -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
  "$bench" >"$out/tables"
  full=$(awk '/^full/ {print $2}' "$out/tables") change=$(awk '/^change/ {print $2}' "$out/tables")
  row "$(holds "$full" '<' 5000)" "500 services of 10 tasks to 50 containers of a node, from nothing" "$full ms" "5 s"
  row "$(holds "$change" '<' 300)" "one of these tasks leaves: in all 50 containers" "$change ms" "300 ms"
}

echo "| what | figure | limit |"
echo "| --- | --- | --- |"
for part in $parts; do $part; done
exit $failed
