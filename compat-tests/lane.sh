# shellcheck shell=bash
# Words of the lanes that are shell scripts (kill.sh, memory.sh, partition.sh, tls.sh), which source this: their options, a lab of their own, its
# hosts, and waiting.
export GAM_BIN=${GAM_BIN:-$PWD/target/debug/gam}
lab=compat-tests/lab

# lane_options 'NAME...' ARGUMENT...: sets the variables of these names, as `--NAME VALUE` says; anything else shows the head of the
# script and ends it.
lane_options() {
  local names=" $1 "
  shift
  while [ $# -gt 0 ]; do
    if [[ $1 != --* || $names != *" ${1#--} "* || -z ${2:-} ]]; then
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "compat-tests/${0##*/}" >&2
      exit 2
    fi
    printf -v "${1#--}" %s "$2"
    shift 2
  done
}
# lane_up NAME HOSTS: a fresh lab, which goes with the script. A function `leave` of the script is called first.
lane_up() {
  export LAB_NAME=${LAB_NAME:-$1}
  dir=${LAB_DIR:-/tmp/gamlab-$LAB_NAME}
  trap 'leave; $lab down' EXIT
  $lab down
  $lab up "$2"
}
leave() { :; }
gam() { local k=$1; shift; docker -H "unix://$dir/h$k/gam.sock" "$@"; }       # gam K ARGS...: Docker's CLI with host K's Gam
engine() { local k=$1; shift; docker -H "unix://$dir/h$k/docker.sock" "$@"; } # the same with its dockerd
until_ok() { # until_ok SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "${0##*/}: after a while still not so: $what" >&2; show; exit 1; }
    sleep 0.1
  done
}
# show: what is there, for people, when something is not as it should be.
show() {
  local k
  for k in "$dir"/h?; do
    k=${k##*/h}
    echo "host $k:" >&2
    gam "$k" service ls >&2 || true
    engine "$k" ps -a >&2 || true
    tail -n 20 "$dir/h$k/gam.log" >&2
  done
}
