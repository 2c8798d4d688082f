#!/usr/bin/env bash
# From nothing to a running service on one host, as root, with only git and a Rust toolchain there:
#   examples/quickstart.sh          installs Docker if absent, starts dockerd if none runs, builds and starts Gam,
#                                   founds a swarm, makes an overlay network and a service of two replicas
#   examples/quickstart.sh --down   undoes all of that (installed packages stay)
# Running it again is fine. GAM_BIN names a gam to use instead of building one.
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

# stop NAME: ends what this script started, by its pid file.
stop() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || true
  until_ok 30 "the end of $1" eval "! kill -0 $pid"
  rm -f "$run/$1.pid"
}

down() {
  if "$docker" info >/dev/null 2>&1; then
    "$docker" service rm quickstart >/dev/null 2>&1 || true
    "$docker" swarm leave --force >/dev/null 2>&1 || true
    "$docker" network rm docker_gwbridge >/dev/null 2>&1 || true
    "$docker" image rm busybox:quickstart >/dev/null 2>&1 || true
  fi
  stop gam
  stop dockerd
  rm -rf "$run"
  say "down: the service, the swarm, Gam, and dockerd if it was started here, are gone"
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
  setsid dockerd -H unix://$engine --pidfile "$run/dockerd.pid" </dev/null >>"$run/dockerd.log" 2>&1 &
  until_ok 60 "the start of dockerd" "$docker" -H unix://$engine version
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
  until_ok 30 "the start of Gam" "$docker" version
fi

state=$("$docker" info --format '{{.Swarm.LocalNodeState}}')
if [ "$state" = inactive ]; then
  say "docker swarm init"
  "$docker" swarm init --advertise-addr 127.0.0.1 >/dev/null
fi
if ! "$docker" network inspect quickstart >/dev/null 2>&1; then
  say "docker network create -d overlay --attachable quickstart"
  "$docker" network create -d overlay --attachable quickstart >/dev/null
fi
if ! "$docker" service inspect quickstart >/dev/null 2>&1; then
  say "docker service create --replicas 2 --network quickstart"
  "$docker" service create --detach --tty --name quickstart --network quickstart --replicas 2 \
    --no-resolve-image busybox:quickstart >/dev/null
fi
replicas() { "$docker" service ls --filter name=quickstart --format '{{.Replicas}}'; }
until_ok 60 "the start of both replicas" eval '[ "$(replicas)" = 2/2 ]'

"$docker" service ls
"$docker" service ps quickstart
say "now: export DOCKER_HOST=$DOCKER_HOST"
