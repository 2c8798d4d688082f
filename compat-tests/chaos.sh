#!/usr/bin/env bash
# Three managers and two workers under random cuts, kills, pauses and restarts, with two clients that write all the while.
# At the end: what was acknowledged is there, the history is linearizable, and every replica runs exactly once.
#   chaos.sh [--minutes N] [--seed S]      2 minutes and seed 1 unless told otherwise; more: gam-compat chaos --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export GAM_BIN=${GAM_BIN:-$PWD/target/debug/gam}
exec "$(dirname "$GAM_BIN")/gam-compat" chaos "$@"
