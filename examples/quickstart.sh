#!/usr/bin/env bash
# From nothing to a running service on one host, as root, with only git and a Rust toolchain there:
#   examples/quickstart.sh          installs Docker if absent, starts dockerd if none runs, builds and starts Gam,
#                                   founds a swarm, makes an overlay network and a service of two replicas
#   examples/quickstart.sh --down   undoes what of that it did itself (installed packages stay)
# Running it again is fine, and so is a Gam, a swarm or a dockerd that was there before. GAM_BIN names a gam to use instead of building one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run=${GAM_QUICKSTART_DIR:-/run/gam-quickstart}
socket=/run/gam/docker.sock
engine=/var/run/docker.sock
export DOCKER_HOST=unix://$socket
docker=$(command -v /usr/bin/docker || command -v docker || echo /usr/bin/docker)

say() { printf '==> %s\n' "$*"; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "run as root (dockerd and Gam need it)"

# until_ok SECONDS WHAT COMMAND...: waits for a command to succeed.
until_ok() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what did not happen in time; see the logs in $run"
    sleep 0.1
  done
}

# did WHAT: remembers that this script made something, for --down. made WHAT: whether it did.
did() { touch "$run/$1.made"; }
made() { [ -e "$run/$1.made" ]; }

# up NAME SECONDS COMMAND...: waits for a daemon of this script's to answer, or to end with a reason.
up() {
  local name=$1 end=$((SECONDS + $2)) pid
  pid=$(cat "$run/$1.pid")
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$pid" 2>/dev/null; then
      rm -f "$run/$name.pid"
      die "$name did not start: $(tail -n 1 "$run/$name.log")"
    fi
    [ $SECONDS -lt $end ] || die "$name does not answer; see $run/$name.log"
    sleep 0.1
  done
}

# stop NAME: ends what this script started, by its pid file.
stop() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || true
  until_ok 30 "the end of $1" eval "! kill -0 $pid"
  rm -f "$run/$1.pid"
}

down() {
  # A service's network is free once its tasks are gone; a swarm takes both along.
  made service && "$docker" service rm quickstart >/dev/null 2>&1 || true
  if made swarm; then
    "$docker" swarm leave --force >/dev/null 2>&1 || true
  elif made network; then
    until_ok 30 "the end of the network" eval '"$docker" network rm quickstart || ! "$docker" network inspect quickstart'
  fi
  made gwbridge && "$docker" network rm docker_gwbridge >/dev/null 2>&1 || true
  # As long as a container is still going, its image is in use.
  made image && until_ok 30 "the end of the image" \
    eval '"$docker" image rm busybox:quickstart || ! "$docker" image inspect busybox:quickstart'
  stop gam
  stop dockerd
  rm -rf "$run"
  say "down: what this script had started or made is gone"
}

if [ "${1:-}" = --down ]; then down; exit 0; fi
[ $# = 0 ] || die "usage: quickstart.sh [--down]"
mkdir -p "$run"

say "Docker's engine and CLI"
"$here/examples/install-docker.sh"
docker=$(command -v /usr/bin/docker || command -v docker)

if "$docker" -H unix://$engine version >/dev/null 2>&1; then
  say "dockerd runs already"
else
  say "starting dockerd (log: $run/dockerd.log)"
  rm -f /var/run/docker.pid
  setsid dockerd -H unix://$engine --pidfile "$run/dockerd.own.pid" </dev/null >>"$run/dockerd.log" 2>&1 &
  echo $! > "$run/dockerd.pid"
  up dockerd 60 "$docker" -H unix://$engine version
fi

# No registry is needed: the image is Debian's own static busybox.
if ! "$docker" -H unix://$engine image inspect busybox:quickstart >/dev/null 2>&1; then
  say "making the image busybox:quickstart"
  root=$(mktemp -d)
  mkdir -p "$root/bin" "$root/tmp" "$root/etc"
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
  tar -C "$root" -c . | "$docker" -H unix://$engine import \
    --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - busybox:quickstart >/dev/null
  rm -rf "$root"
  did image
fi

if "$docker" version >/dev/null 2>&1; then
  say "Gam runs already"
else
  if [ -z "${GAM_BIN:-}" ]; then
    say "building Gam (a few minutes the first time)"
    (cd "$here" && cargo build --release --locked --quiet)
    GAM_BIN=${CARGO_TARGET_DIR:-$here/target}/release/gam
  fi
  say "starting Gam (log: $run/gam.log)"
  setsid "$GAM_BIN" serve </dev/null >>"$run/gam.log" 2>&1 &
  echo $! > "$run/gam.pid"
  up gam 30 "$docker" version
fi

state=$("$docker" info --format '{{.Swarm.LocalNodeState}}')
if [ "$state" = inactive ]; then
  say "docker swarm init"
  "$docker" network inspect docker_gwbridge >/dev/null 2>&1 || did gwbridge
  "$docker" swarm init --advertise-addr 127.0.0.1 >/dev/null
  did swarm
fi
if ! "$docker" network inspect quickstart >/dev/null 2>&1; then
  say "docker network create -d overlay --attachable quickstart"
  "$docker" network create -d overlay --attachable quickstart >/dev/null
  did network
fi
if ! "$docker" service inspect quickstart >/dev/null 2>&1; then
  say "docker service create --replicas 2 --network quickstart"
  "$docker" service create --detach --tty --name quickstart --network quickstart --replicas 2 \
    --no-resolve-image busybox:quickstart >/dev/null
  did service
fi
# As many as are wanted: it may have been scaled since.
all_run() {
  local replicas
  replicas=$("$docker" service inspect quickstart --format '{{.Spec.Mode.Replicated.Replicas}}')
  "$docker" service ls --filter name=quickstart --format '{{.Name}} {{.Replicas}}' | grep -qx "quickstart $replicas/$replicas"
}
until_ok 60 "the start of all replicas" all_run

"$docker" service ls
"$docker" service ps quickstart
say "now: export DOCKER_HOST=$DOCKER_HOST"
