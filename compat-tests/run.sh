#!/usr/bin/env bash
# All tests of Gam, on a fresh Debian 12 machine as root, with git and a Rust toolchain there. It installs what it needs
# (Debian's packages, nothing else), starts dockerds of its own in namespaces of its own, and takes them down again.
# The last line is `N passed, N failed, N skipped` over all lanes. Logs stay in target/test-logs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never INSTA_UPDATE=no
logs=${CARGO_TARGET_DIR:-target}/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

[ "$(id -u)" = 0 ] || { echo "run.sh: run as root (it installs packages and makes namespaces)" >&2; exit 1; }

# lane NAME COMMAND...: one thing that passes or fails as a whole, or says by its exit code that it cannot be done here.
cannot=3
lane() {
  local name=$1 start=$SECONDS rc
  shift
  "$@" >"$logs/$name.log" 2>&1
  rc=$?
  if [ $rc = 0 ]; then
    passed=$((passed + 1)) && echo "ok   $name ($((SECONDS - start)) s)"
  elif [ $rc = $cannot ]; then
    skipped=$((skipped + 1)) && echo "skip $name: $(tail -n 1 "$logs/$name.log")"
  else
    failed=$((failed + 1)) && echo "FAIL $name ($((SECONDS - start)) s); the end of $logs/$name.log:"
    tail -n 40 "$logs/$name.log"
  fi
}

# counted NAME COMMAND...: a lane that prints its own counts, by cargo's closing lines or by the harness's.
counted() {
  local name=$1 start=$SECONDS rc counts
  shift
  "$@" >"$logs/$name.log" 2>&1
  rc=$?
  counts=$(sed -n -E 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored.*/\1 \2 \3/p; s/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$logs/$name.log" |
    awk '{p += $1; f += $2; s += $3} END {print p + 0, f + 0, s + 0}')
  read -r p f s <<<"$counts"
  # A lane that ended badly without a failed test, or without any test, has failed itself.
  { [ $rc != 0 ] && [ "$f" = 0 ]; } || [ "$p" = 0 ] && f=$((f + 1))
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  echo "$([ "$f" = 0 ] && echo 'ok  ' || echo FAIL) $name: $p passed, $f failed, $s skipped ($((SECONDS - start)) s)"
  [ "$f" = 0 ] || grep -a -v -E '^(ok |test .* ok$|running [0-9]+ test)' "$logs/$name.log" | tail -n 150
}

# build: what the lanes below run; without it they would only repeat its failure.
build() { cargo build --locked --workspace; }

lane packages examples/install-docker.sh jq strace util-linux libfaketime docker-registry
rustup component list --installed 2>/dev/null | grep -q rustfmt && lane format cargo fmt --all --check
rustup component list --installed 2>/dev/null | grep -q clippy && lane clippy cargo clippy --locked --workspace --all-targets -- -D warnings
lane deny compat-tests/deny.sh
lane build build
counted unit cargo test --locked --workspace --no-fail-fast
export GAM_BIN=$PWD/target/debug/gam
[ -n "${CARGO_TARGET_DIR:-}" ] && export GAM_BIN=$CARGO_TARGET_DIR/debug/gam
counted compat "${GAM_BIN%/gam}/gam-compat" run --target gam --hosts 5 --lab ci --gam-bin "$GAM_BIN"
lane kill compat-tests/kill.sh --rounds 6 --seed 1
lane tls compat-tests/tls.sh
lane partition compat-tests/partition.sh --tries 4 --seconds 8 --limit 10000
lane memory compat-tests/memory.sh
lane chaos compat-tests/chaos.sh --minutes 2 --seed 1 --out "$logs/chaos"
lane quickstart compat-tests/quickstart.sh

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
