#!/usr/bin/env bash
# A partition that heals: one of four hosts, three managers and a worker, in turn, loses its cable while services change and
# clients ask. Within a second of the cable's return every resolver and every balancer of every container on every host, and every
# host's published port, must name exactly the tasks that run. All of them are dumped, again and again until all is right; each
# try says for how long what was wrong, and where.
#   partition.sh [--tries N] [--seconds S] [--limit MS]      20 tries of 60 seconds, and 1000 ms, unless told otherwise
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tries=20 seconds=60 limit=1000
# After so long, in ms, nothing is waited for any more.
give_up=30000
# shellcheck source=compat-tests/lane.sh
. compat-tests/lane.sh
lane_options 'tries seconds limit' "$@"
load=
leave() { [ -z "$load" ] || kill "$load" 2>/dev/null || true; }
lane_up partition 4
for k in 1 2 3 4; do $lab gam-start $k; done
gam 1 swarm init --advertise-addr "$($lab addr 1)" >/dev/null
token=$(gam 1 swarm join-token -q manager)
for k in 2 3; do gam $k swarm join --token "$token" --advertise-addr "$($lab addr $k)" "$($lab addr 1):2377" >/dev/null; done
gam 4 swarm join --token "$(gam 1 swarm join-token -q worker)" --advertise-addr "$($lab addr 4)" "$($lab addr 1):2377" >/dev/null
is_ready() { [ "$(gam "$1" node ls --format '{{.Status}} {{.ManagerStatus}}' | grep -c -E '^Ready (Leader|Reachable)?$')" = 4 ]; }
until_ok 60 'all nodes are ready' is_ready 1

gam 1 network create -d overlay --attachable --subnet 10.78.0.0/24 net >/dev/null
answers='printf "HTTP/1.0 200 OK\r\n\r\nyes\n"'
gam 1 service create -d --name web --network net --replicas 6 --publish 8080:80 --stop-signal KILL --no-resolve-image \
  busybox nc -ll -p 80 -e sh -c "$answers" >/dev/null
gam 1 service create -d --name named --network net --endpoint-mode dnsrr --replicas 3 --stop-signal KILL --no-resolve-image \
  busybox sleep 100000 >/dev/null
runs() { [ "$(gam "$1" service ls --filter "name=$2" --format '{{.Replicas}}')" = "$3/$3" ]; }
until_ok 60 'web runs' runs 1 web 6
until_ok 60 'named runs' runs 1 named 3
# The clients: one on each host, asking all the time, by name and by the port of its own host.
for k in 1 2 3 4; do
  gam $k run -d --name "client$k" --stop-signal KILL --network net busybox \
    sh -c 'while :; do nc -w 1 web 80 </dev/null; nslookup -type=a named; done >/dev/null 2>&1' >/dev/null
done

# wanted K: what manager K wants everybody to hold: `vip ADDRESS: ENDPOINTS`, `name NAME: ADDRESSES`, `port: ENDPOINTS`; and whom it
# wants to run: `runs CONTAINER`.
api() { curl -s --max-time 5 --unix-socket "$dir/h$1/gam.sock" "http://d$2"; }
wanted() {
  jq -rn --slurpfile tasks <(api "$1" '/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D') \
    --slurpfile services <(api "$1" /services) '
    def on($name): [.NetworksAttachments[]? | select(.Network.Spec.Name == $name) | .Addresses[0] | split("/")[0]];
    def running($id): [$tasks[0][] | select(.ServiceID == $id and .Status.State == "running")];
    $services[0][] | .ID as $id | .Spec.Name as $name
    | ([running($id)[] | on("net")[]] | sort | join(" ")) as $net
    | ([running($id)[] | on("ingress")[] + ":80"] | sort | join(" ")) as $ingress
    | "name \(if $name == "web" then "tasks.web" else $name end): \($net)",
      (.Endpoint.VirtualIPs[]?.Addr | select(startswith("10.78.")) | "vip \(split("/")[0]): \($net)"),
      (if .Endpoint.Ports then "port: \($ingress)" else empty end),
      (running($id)[] | "runs \($name).\(.Slot).\(.ID)")' | sort
}
# places K: the containers of host K that are on the network: process, name, resolver. Read ahead, for dockerd takes its time.
places() {
  $lab exec "$1" env DOCKER_HOST="unix://$dir/h$1/docker.sock" sh -c '
    docker ps -q --filter network=net | xargs -r docker inspect --format "{{.State.Pid}} {{.Name}}" | while read -r pid name; do
      echo "$pid $name $(sed -n "s/^nameserver //p" "/proc/$pid/root/etc/resolv.conf" | head -1)"
    done'
}
# held K: what all of them and the host's port say, as it is; before each, who says it, when it was read, in seconds since the machine
# was started, and of what it tells.
held() {
  $lab exec "$1" env K="$1" sh -c '
    while read -r pid name server; do
      for asked in tasks.web named; do
        read -r up _ </proc/uptime
        echo "@ host$K$name $up name $asked"
        nsenter -t "$pid" -n busybox nslookup -type=a $asked "$server" | tail -n +3
      done
      read -r up _ </proc/uptime
      echo "@ host$K$name $up vip"
      nsenter -t "$pid" -n nft list table inet gam
    done
    read -r up _ </proc/uptime
    echo "@ host$K $up port"
    nft list chain ip gam_ingress tcp-8080' <"$dir/places.$1"
}
# lines: the same as `wanted` writes it, with who and when before it.
lines() {
  awk '
    function say(  i) {
      if (about != "") {
        printf "%s %s %s:", who, up, about
        for (i = 1; i <= n; i++) printf " %s", found[i]
        print n ? "" : " "
      }
      n = 0; about = ""
    }
    function take(text,  word, i) {
      while (match(text, /10\.[0-9.]+(:80| \. 80)?/)) {
        word = substr(text, RSTART, RLENGTH); sub(/ \. 80/, ":80", word)
        for (i = n++; i && found[i] > word; i--) found[i + 1] = found[i]
        found[i + 1] = word
        text = substr(text, RSTART + RLENGTH)
      }
    }
    $1 == "@" {say(); who = $2; up = $3; kind = $4; if (kind != "vip") about = kind ($5 == "" ? "" : " " $5); next}
    kind != "vip" {take($0); next}
    /chain vip-10.78/ {vip = substr($2, 5)}
    /dnat/ && vip {about = "vip " vip; sub(/.*dnat/, ""); take($0); say(); vip = ""}
    END {say()}'
}
# wrong WANTED: every line that a container or a host holds and should not, and every one that it lacks, and when that was seen.
# Nothing if all is well. A container that is about to be stopped may lack what others have: nobody is served by it any more.
wrong() {
  local k
  for k in 1 2 3 4; do held $k 2>/dev/null | lines >"$dir/held.$k" & held_by[k]=$!; done
  wait "${held_by[@]}" || true
  awk '
    NR == FNR && $1 == "runs" {asks[$2]; next}
    NR == FNR {wanted[$0]; next}
    {
      who = $1; rest = substr($0, length($1 $2) + 3); name = who; sub(/^host.\//, "", name)
      about = rest; sub(/:.*/, "", about)
      has[who, rest]; seen[who, about] = $2
      if (rest ~ /^port/) hosts[who]; else if (name in asks || name ~ /^client/) containers[who]
      if (!(rest in wanted) && (who in containers || rest !~ /: $/)) print $2, who " holds " rest
    }
    END {
      for (rest in wanted) {
        about = rest; sub(/:.*/, "", about)
        if (rest ~ /^port/) {for (who in hosts) if (!((who, rest) in has)) print seen[who, about], who " lacks " rest}
        else for (who in containers) if (!((who, rest) in has)) print seen[who, about], who " lacks " rest
      }
      if (length(hosts) != 4 || length(containers) != length(asks) + 4) print "0 not everybody was read"
    }' "$1" "$dir"/held.?
}
declare -a held_by=()

# The writer: services are scaled and their tasks replaced, through a manager that is on the right side.
write_on() {
  local k=$1
  while :; do
    gam "$k" service scale -d web=$((RANDOM % 4 + 4)) named=$((RANDOM % 3 + 2)) || true
    gam "$k" service update -d --force named || true
  done >/dev/null 2>&1
}
settled() { # the other two managers run what is wanted, and hold it
  local k=$1 states
  runs "$k" web 6 && runs "$k" named 3 || return 1
  # Of a slot that is being replaced the old task may still count as running, and the new one is not to run yet.
  states=$(gam "$k" service ps web named --filter desired-state=running --format '{{.CurrentState}}')
  [ "$(wc -l <<<"$states")" = 9 ] && ! grep -q -v '^Running' <<<"$states" || return 1
  gam "$k" service inspect web named --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' | grep -q updating && return 1
  return 0
}
uptime_ms() { awk '{print int($1 * 1000)}' /proc/uptime; }
# role K: what host K is to the swarm.
role() {
  local status
  status=$(gam "$1" node inspect self --format '{{if .ManagerStatus}}{{.ManagerStatus.Leader}}{{end}}' 2>/dev/null) || status=
  case $status in true) echo leader;; false) echo follower;; *) echo worker;; esac
}
# watch BEGIN: reads all of them until everything that was read after the limit is right, into `found`: the moment of each finding in ms
# since BEGIN, and the finding. Reading takes a while: each counts by its own time.
watch() {
  local begin=$1 from clean=
  : >"$dir/found"
  while [ -z "$clean" ]; do
    from=$(($(uptime_ms) - begin))
    wrong "$dir/wanted" >"$dir/wrong"
    awk -v begin="$begin" '{$1 = $1 ? int($1 * 1000 - begin) : 0; print}' "$dir/wrong" >>"$dir/found"
    if [ $from -gt "$limit" ] && [ ! -s "$dir/wrong" ]; then clean=yes; fi
    if [ -z "$clean" ] && [ $from -gt $give_up ]; then return 1; fi
  done
}
# report: for how long each host had something wrong, as far as that was seen, and what it was at last: the worst three of it.
report() {
  sed '/^0 /d' "$dir/found" | sort -n | awk '
    {ms = $1; host = $2; sub(/\/.*/, "", host); last[host] = ms; sub(/^[0-9]+ /, ""); until[$0] = ms; on[$0] = host}
    END {
      for (host in last) {
        print "  " host ": until " last[host] " ms"
        for (n = 0; n < 3; n++) {
          worst = ""
          for (what in until) if (on[what] == host && (worst == "" || until[what] > until[worst])) worst = what
          if (worst == "") break
          print "    " until[worst] " ms " worst
          delete until[worst]
        }
      }
    }'
}

failed=0
for try in $(seq "$tries"); do
  cut=$((try % 4 + 1)) other=$(((try + 1) % 4 % 3 + 1))
  [ $other != $cut ] || other=$((cut % 3 + 1))
  was=$(role $cut)
  $lab cut $cut
  write_on $other & load=$!
  sleep "$seconds"   # the length of the fault, not a wait for something
  kill $load; wait $load 2>/dev/null || true; load=
  until_ok 30 'a leader takes the last numbers' gam $other service scale -d web=6 named=3
  until_ok 60 'the rest of the swarm has settled' settled $other
  wanted $other >"$dir/wanted"
  grep -q '^vip' "$dir/wanted" && [ "$(grep -c -v '^runs' "$dir/wanted")" = 4 ] || { echo "partition.sh: unexpected:"; cat "$dir/wanted"; exit 1; }
  for k in 1 2 3 4; do places $k >"$dir/places.$k"; done
  $lab heal $cut
  healed_at=$(date -u +%H:%M:%S.%3N)
  watch "$(uptime_ms)" || { echo "partition.sh: try $try: not right even after $give_up ms:"; cat "$dir/wrong"; show; exit 1; }
  took=$(awk -v last=0 '$1 > last {last = $1} END {print last}' "$dir/found")
  verdict=ok
  [ "$took" -le "$limit" ] || { verdict=LATE; failed=$((failed + 1)); }
  echo "$verdict try $try: host $cut ($was) cut off for $seconds s, back at $healed_at; the last wrong entry was seen $took ms after that"
  report
  wanted $other | cmp -s - "$dir/wanted" || { echo "partition.sh: try $try: the return has moved tasks"; wanted $other | diff "$dir/wanted" - || true; exit 1; }
  until_ok 60 'all nodes are ready' is_ready $other
done
[ $failed = 0 ] || { echo "partition.sh: in $failed of $tries tries somebody held a wrong entry after $limit ms"; show; exit 1; }
echo "partition.sh: $tries times a host was cut off for $seconds s and came back: nobody held a wrong entry after $limit ms"
