# The vocabulary of compatibility cases. The runner sources this file, then the case, in one bash that runs
# outside the hosts; every step enters the namespaces of its host (host 1 unless `on K` says otherwise).
# README.md explains the words. From the runner: LAB LAB_DIR TARGET RECORD COMPAT_BIN DOCKER_CONFIG, H1..H9.
set -u

STEP_LIMIT=60   # seconds for one step: longer than the slowest honest wait of the CLI (a stop grace period, a join)
POLL=0.1        # seconds between two looks of until_ok: short against any state change, cheap against a CLI start

_host=1 _via=api _label='' _quiet='' _wire='' _sorted='' _by='' _tty=''

# ---- steps: recorded, one block each -----------------------------------------------------------

docker() { _step docker "$@"; }
run() { _step "$@"; }

# api [-i] [-H 'Name: value'] METHOD PATH [BODY]: one HTTP request; status, content type and body (-i: all headers) are
# recorded, the bare body goes to stdout. {}[]"| and blanks in the query are escaped here. Fails when the status is not 2xx.
api() {
  local args=() show='' type=application/json word label=api
  while [[ ${1:-} == -* ]]; do
    label+=" $(_quote "$1")"
    case $1 in
    -i) show=1; shift;;
    -H) label+=" $(_quote "$2")"; args+=(-H "$2"); [[ ${2,,} == content-type:* ]] && type=''; shift 2;;
    *) echo "api: unknown option $1" >&2; return 2;;
    esac
  done
  local method=$1 path=$2 query=''
  for word in "$@"; do label+=" $(_quote "$word")"; done
  if [[ $path == *\?* ]]; then
    query=${path#*\?}
    query=${query//'{'/%7B} query=${query//'}'/%7D} query=${query//'['/%5B} query=${query//']'/%5D}
    query=${query//'"'/%22} query=${query//' '/%20} query=${query//'|'/%7C}
    path=${path%%\?*}?$query
  fi
  if [ $# -ge 3 ]; then args+=(--data-binary "$3"); [ -n "$type" ] && args+=(-H "Content-Type: $type"); fi
  if [ "$method" = HEAD ]; then args+=(--head); else args+=(-X "$method"); fi
  local f=$LAB_DIR/step.$BASHPID rc status
  [ -n "$_wire" ] && : >"$LAB_DIR/h$_host/wire.log"
  status=$(curl -sS -g --path-as-is --max-time "$STEP_LIMIT" --unix-socket "$LAB_DIR/h$_host/$_via.sock" \
    -D "$f.head" -o "$f.out" -w '%{http_code} %{content_type}' "${args[@]}" "http://docker$path" 2>"$f.err")
  rc=$?
  [ "$method" = HEAD ] && : >"$f.out"
  [ -f "$f.out" ] || : >"$f.out"
  local failed=0; [[ $status == 2* ]] || failed=1
  if _is_recorded $failed; then
    {
      printf '$ %s%s\n' "$_label" "$label"
      [ -n "$_by" ] && printf '@ %s\n' "$_by"
      if [ $rc != 0 ]; then sed 's/^/! /' "$f.err"; printf '= %s\n' $rc; else
        printf 'H %s\n' "$status"
        [ -n "$show" ] && tr -d '\r' <"$f.head" | sed -n '2,${/./s/^/h /p}'
        sed -e 's/^/B /' -e '$a\' "$f.out"
      fi
      [ -n "$_wire" ] && sed 's/^/W /' "$LAB_DIR/h$_host/wire.log"
    } >"$f.rec"
    cat "$f.rec" >>"$RECORD"
  fi
  cat "$f.out"
  rm -f "$f".*
  return $failed
}

# ---- prefixes: change the step that follows; they combine ----------------------------------------

on() { local _host=$1 _label="${_label}on $1 "; shift; _do "$@"; }             # on host K
engine() { local _via=engine _label="${_label}engine "; _do "$@"; }            # speak to the dockerd beneath
wire() { local _wire=1 _via=wire _label="${_label}wire "; _do "$@"; }          # also record what went over the socket
quiet() { local _quiet=1; _do "$@"; }                                          # record only if it fails
try() { local _quiet=2; _do "$@"; }                                            # never record
sorted() { local _sorted=1 _label="${_label}sorted "; _do "$@"; }              # sort the lines of stdout
by() { local _by=$1 _label="${_label}by $1 "; shift; _do "$@"; }               # api: sort the list by this field
tty() { local _tty=1 _label="${_label}tty "; _do "$@"; }                       # give the step a terminal

# ---- waiting -----------------------------------------------------------------------------------

# until_ok SECONDS WHY CMD...: poll CMD (or one string of shell) until it succeeds; nothing is recorded. On time-out
# the transcript says so and the case ends.
until_ok() {
  local limit=$1 why=$2 end _quiet=2; shift 2
  end=$(( ${EPOCHREALTIME/./} + limit * 1000000 ))
  until if [ $# = 1 ]; then eval "$1"; else "$@"; fi >/dev/null 2>&1; do
    if (( ${EPOCHREALTIME/./} >= end )); then
      printf '# until_ok: after %s s still not so: %s\n' "$limit" "$why" >>"$RECORD"
      _stop
    fi
    sleep "$POLL"
  done
}
running() {    # running SERVICE N: exactly N tasks of it that shall run do run
  [ "$(try docker service ps --filter desired-state=running --format '{{.CurrentState}}' "$1" | grep -c '^Running')" = "$2" ]
}
containers() { # containers SERVICE N: exactly N containers of it run on this host's dockerd
  [ "$(try engine docker ps -q --filter "label=com.docker.swarm.service.name=$1" | wc -l)" = "$2" ]
}
container() { try on "$1" engine docker ps -q --filter "label=com.docker.swarm.service.name=$2" | head -n1; } # container K SERVICE: the first one on host K
ip_of() {      # ip_of K SERVICE NETWORK: its address there
  try on "$1" engine docker inspect "$(container "$1" "$2")" --format "{{(index .NetworkSettings.Networks \"$3\").IPAddress}}"
}
pings() {      # pings K SERVICE ADDRESS [BYTES]: the container of the service on host K reaches the address
  try on "$1" engine docker exec "$(container "$1" "$2")" ping -q -c 1 -W 1 -s "${4:-56}" "$3" >/dev/null
}
ready() { [ "$(try docker node ls --format '{{.Status}}' | grep -c '^Ready')" = "$1" ]; }                       # ready N: N nodes are
reachable() { [ "$(try docker node ls --format '{{.ManagerStatus}}' | grep -cE 'Leader|Reachable')" = "$1" ]; } # reachable N: N managers are
state() { [ "$(try docker node inspect "$1" --format '{{.Status.State}}')" = "$2" ]; }                           # state NODE WORD: it is
leaderless() { try api GET /nodes | grep -q 'does not have a leader'; }                                           # this manager knows no leader

# ---- the lab -------------------------------------------------------------------------------------

addr() { local h=H$1; if [ -n "${!h:-}" ]; then echo "${!h}"; else "$LAB" addr "$1"; fi; }   # also of no host: addr 77
# daemon stop|kill|start [K]: SIGTERM, SIGKILL or start of what serves swarm mode: dockerd itself, or Gam.
daemon() {
  local verb
  case $TARGET:$1 in
  reference:stop) verb=term;; reference:kill) verb=stop;; reference:start) verb=start;;
  gam:*) verb=gam-$1;;
  esac
  _lab "daemon $*" "$verb" "${2:-1}"
}
lab() { _lab "lab $*" "$@"; }   # lab cut|heal|deaf|slow|pause|resume|readdress|off|on|restart|clock|disk|registry|start|stop|term|flags K ...

# ---- a private registry ---------------------------------------------------------------------------

REGISTRY=127.0.0.1:5000   # where `lab registry K` has it, on every host the same store
log_in() { try docker login -u gam -p "${1:-hush-hush}" "$REGISTRY" >/dev/null; }   # log_in [PASSWORD]: the CLI of the case is
# auth USER PASSWORD: the value of a header X-Registry-Auth
auth() { printf '{"username":"%s","password":"%s","serveraddress":"%s"}' "$1" "$2" "$REGISTRY" | base64 -w0 | tr '+/' '-_'; }
# publish NAME:TAG...: images of their own in the registry of host 1, which no host has itself
publish() {
  local name made
  for name in "$@"; do
    made=$(try engine docker create busybox) &&
    try engine docker commit --change "LABEL name=$name" "$made" "$REGISTRY/$name" >/dev/null &&
    try engine docker rm "$made" >/dev/null &&
    DOCKER_CONFIG=$PWD/publisher try engine docker login -u gam -p hush-hush "$REGISTRY" >/dev/null &&
    DOCKER_CONFIG=$PWD/publisher try engine docker push -q "$REGISTRY/$name" >/dev/null &&
    try engine docker rmi "$REGISTRY/$name" >/dev/null || { echo "# $name was not published" >>"$RECORD"; _stop; }
  done
}

# ---- small tools ---------------------------------------------------------------------------------

pick() { "$COMPAT_BIN" pick "$1"; }   # pick PATH: a field of the JSON on stdin, as in: api GET /swarm | pick Version.Index
prefix() { # prefix ID N: the first N characters of ID, such that the transcript names it <kind:1~N>
  printf '%s %s\n' "$1" "${1:0:$2}" >>"$LAB_DIR/prefixes"
  printf '%s\n' "${1:0:$2}"
}
swarm_init() { try docker swarm init --advertise-addr "$H1" "$@" >/dev/null || { echo '# swarm init failed' >>"$RECORD"; _stop; }; }
swarm_join() { # swarm_join K [worker|manager]
  local token; token=$(try docker swarm join-token -q "${2:-worker}")
  quiet on "$1" docker swarm join --advertise-addr "$(addr "$1")" --token "$token" "$H1:2377" >/dev/null || _stop
}
# swarm_of HOSTS MANAGERS [FLAGS of init]: hosts 1..HOSTS in one swarm, the first MANAGERS of them managers, all of it ready
swarm_of() {
  local k hosts=$1 managers=$2; shift 2
  swarm_init "$@"
  for ((k = 2; k <= hosts; k++)); do swarm_join $k $( ((k <= managers)) && echo manager ); done
  until_ok 30 "$hosts nodes are ready" ready "$hosts"
  until_ok 30 "$managers managers are reachable" reachable "$managers"
}

# make_service NAME [FLAGS...]: a service of a sleeping busybox. It dies of its stop signal at once: a sleep that is
# process 1 ignores SIGTERM, and each stop would cost the grace period of 10 s.
make_service() {
  local name=$1; shift
  quiet docker service create -d -q --stop-signal KILL --name "$name" "$@" busybox sleep 100000 >/dev/null || _stop
}

# ---- beneath the words ---------------------------------------------------------------------------

_lab() { # _lab REMARK WORD...
  [ "$_quiet" = 2 ] || printf '# %s\n' "$1" >>"$RECORD"; shift
  "$LAB" "$@" >&2 || { printf '# lab %s failed\n' "$*" >>"$RECORD"; _stop; }
}

_do() { if declare -F -- "$1" >/dev/null; then "$@"; else _step "$@"; fi; }

_step() {
  local f=$LAB_DIR/step.$BASHPID rc word label='' cmd=("$@")
  for word in "$@"; do label+=" $(_quote "$word")"; done
  [ -n "$_tty" ] && cmd=(script -qec "${label# }" /dev/null)
  [ -n "$_wire" ] && : >"$LAB_DIR/h$_host/wire.log"
  timeout -k 5 "$STEP_LIMIT" nsenter -t "$(<"$LAB_DIR/h$_host/init.pid")" -n -m -u -p -- \
    env -C "$PWD" DOCKER_HOST="unix://$LAB_DIR/h$_host/$_via.sock" "${cmd[@]}" >"$f.out" 2>"$f.err"
  rc=$?
  if [ -n "$_tty" ]; then tr -d '\r' <"$f.out" >"$f.tty"; mv "$f.tty" "$f.out"; fi
  if [ -n "$_sorted" ]; then sort -o "$f.out" "$f.out"; fi
  if _is_recorded $rc; then
    {
      printf '$ %s%s\n' "$_label" "${label# }"
      sed -e 's/^/> /' -e '$a\' "$f.out"
      sed -e 's/^/! /' -e '$a\' "$f.err"
      [ $rc = 124 ] && printf '# the step did not end within %s s\n' "$STEP_LIMIT"
      printf '= %s\n' $rc
      [ -n "$_wire" ] && sed 's/^/W /' "$LAB_DIR/h$_host/wire.log"
    } >"$f.rec"
    cat "$f.rec" >>"$RECORD"
  fi
  cat "$f.out"
  rm -f "$f".*
  return $rc
}

_is_recorded() { case $_quiet in '') true;; 1) [ "$1" != 0 ];; *) false;; esac; }

_quote() {
  if [[ $1 =~ ^[A-Za-z0-9_./:=@%+,~^?-]+$ ]]; then printf %s "$1"; else printf "'%s'" "${1//\'/\'\\\'\'}"; fi
}

# Ends the case, also from within a pipe or a command substitution.
_stop() { kill -USR1 $$; exit 97; }
trap 'exit 97' USR1
