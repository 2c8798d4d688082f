#!/usr/bin/env bash
# Gam over older engines: the cases of swarm mode, whose goldens are of 28.5, over the 20.10 and the 26.1 of Debian's suites.
# What may differ is named in engines.txt, with its reason, as a line or a case; anything else fails, and so does a case that is
# named there without need.
#
#   compat-tests/engines.sh [--short] [20.10|26.1|28.5]...      default: 20.10 and 26.1; 28.5 is the machine's own engine
#
# --short takes a few cases of each area, and less than a minute for an engine. The packages are unpacked into target/engines
# and not installed. Exit code 3: they cannot be had here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export GAM_BIN=${GAM_BIN:-$PWD/target/debug/gam}
runner=${GAM_COMPAT_BIN:-${GAM_BIN%/gam*}/gam-compat}
work=$(readlink -f "${CARGO_TARGET_DIR:-target}")/engines
few=(swarm/init_api service/scale service/rollback logs/service overlay/connect secret/use config/life stack/deploy ingress/masquerade)
all=(swarm/ service/ stack/ secret/ config/ task/ logs/ overlay/ network/ names/ ingress/ info/ node/)

cases=("${all[@]}") engines=()
for word in "$@"; do
  case $word in
  --short) cases=("${few[@]}");;
  20.10 | 26.1 | 28.5) engines+=("$word");;
  *) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2;;
  esac
done
[ ${#engines[@]} != 0 ] || engines=(20.10 26.1)
cannot() { echo "$*"; exit 3; }
version() { PATH=$1:$PATH dockerd --version | sed 's/^Docker version //; s/[+,].*//'; } # version FOLDER: of the dockerd there

# packages SUITE COMMAND...: apt-get with a list of that suite alone, as if nothing were installed; the machine's own lists stay.
packages() {
  local suite=$1 apt=$work/$1/apt mirror
  shift
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$') || return 1
  mkdir -p "$apt"/{lists,cache/archives}/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
  apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
    -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State::Lists="$apt/lists" -o Dir::State::status=/dev/null \
    -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root "$@"
}

# unpack SUITE FOLDER: the engine of that suite, with what it runs, in that folder.
unpack() {
  local suite=$1 to=$2 package
  [ -x "$to/usr/sbin/dockerd" ] && return
  rm -rf "$to.new" "$work/$suite/deb" && mkdir -p "$to.new" "$work/$suite/deb"
  packages "$suite" update && (cd "$work/$suite/deb" && packages "$suite" download docker.io containerd runc tini) || return 1
  for package in "$work/$suite"/deb/*.deb; do dpkg-deb -x "$package" "$to.new" || return 1; done
  # The CLI stays the machine's. So does a runc if the one there wants a newer libc than the machine has.
  rm -f "$to.new/usr/bin/docker"
  "$to.new/usr/sbin/runc" --version >/dev/null 2>&1 || rm -f "$to.new"/usr/{bin,sbin}/runc
  mv "$to.new" "$to"
}

# prepare ENGINE: sets LAB_ENGINE, by which the lab knows where it is.
prepare() {
  local suite
  unset LAB_ENGINE
  case $1 in 20.10) suite=bookworm;; 26.1) suite=trixie;; 28.5) suite=;; esac
  if [ -n "$suite" ]; then
    unpack "$suite" "$work/$1" >"$work/$1.log" 2>&1 || { tail -n 5 "$work/$1.log" >&2; cannot "the packages of $suite, for engine $1, cannot be had here"; }
    export LAB_ENGINE=$work/$1
  fi
  [[ $(version "${LAB_ENGINE:-}/usr/sbin") = "$1".* ]] || cannot "this is not engine $1 but $(version "${LAB_ENGINE:-}/usr/sbin")"
}

# judge ENGINE FILE: what is wrong in these results of the runner, with all that differs and may not; nothing if all is well.
judge() {
  awk -v engine="$1" '
    FNR == NR && $1 == engine && $2 == "line" {sub(/^[^ ]+ line /, ""); sub(/ # .*/, ""); lines["^(" $0 ")$"]; next}
    FNR == NR {if ($1 == engine && $2 == "case") known[$3]; next}
    /^(ok|skip|FAIL) / {name = $2; if ($1 == "ok") ran[name]; if ($1 == "FAIL") {ran[name]; why[name] = ""; failed[name]}; next}
    !(name in failed) || /^(--- golden|\+\+\+ got)$/ || !/^[-+*]/ {next}
    {said[name]; for (line in lines) if ($0 ~ line) next; why[name] = why[name] "\n" $0}
    END {
      for (name in failed) if (!(name in known) && (why[name] != "" || !(name in said))) print "FAIL " name why[name]
      for (name in known) if (name in ran && why[name] == "") print "passes, and is to be taken out of engines.txt: " name
    }' compat-tests/engines.txt "$2"
}

# run_over ENGINE: the cases; a line for the engine, and what is wrong.
run_over() {
  local out=$work/$1.results start=$SECONDS wrong
  "$runner" run --target gam --hosts 2 --jobs 1 --lab "${LAB_NAME:-engines}" --gam-bin "$GAM_BIN" "${cases[@]}" >"$out" || true
  wrong=$(judge "$1" "$out")
  echo "engine $(version "${LAB_ENGINE:-}/usr/sbin"): $(sed -n -E '$s/ passed, .*//p' "$out") cases as on 28.5, $(grep -c '^FAIL ' "$out") otherwise ($((SECONDS - start)) s)"
  # The runner says so much only at its end.
  [ -z "$wrong" ] && grep -q -E '^[1-9][0-9]* passed, [0-9]+ failed' "$out" || { echo "${wrong:-the runner did not come to its end}; all of it: $out"; return 1; }
}

mkdir -p "$work"
failed=0
for engine in "${engines[@]}"; do
  prepare "$engine"
  run_over "$engine" || failed=1
done
exit $failed
