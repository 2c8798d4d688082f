#!/usr/bin/env bash
# Where a secret's value is: a task on a worker reads a secret, and another one that is a template of it. While it runs, after its
# assignments came anew from a manager that was started again, after more tasks of it, and after all of it was removed, no form of
# the value may be in the memory of the worker's Gam, as a core dump would have it, in its state, or in its log at debug level; nor
# in the state and the log of the manager, whose memory has it as long as the secret is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=compat-tests/lane.sh
. compat-tests/lane.sh
compat=$(dirname "$GAM_BIN")/gam-compat
export GAM_LOG_LEVEL=debug
lane_up mem 2
for k in 1 2; do $lab gam-start $k; done
gam 1 swarm init --advertise-addr "$($lab addr 1)" >/dev/null
gam 2 swarm join --token "$(gam 1 swarm join-token -q worker)" --advertise-addr "$($lab addr 2)" "$($lab addr 1):2377" >/dev/null
ready() { [ "$(gam 1 node ls --format '{{.Status}}' | grep -c Ready)" = 2 ]; }
until_ok 30 'two nodes are ready' ready

value=$(head -c 96 /dev/urandom | base64 -w 0)
printf %s "$value" | gam 1 secret create nameofthesecret - >/dev/null
template='key={{ secret "nameofthesecret" }} {{ printf "%s" (secret "nameofthesecret") }} {{ secret "nameofthesecret" | print "and" | urlquery }}'
printf %s "$template" | gam 1 secret create --template-driver golang templated - >/dev/null
# As Go's url.QueryEscape writes it.
escaped=${value//+/%2B} escaped=${escaped//\//%2F} escaped=${escaped//=/%3D}
wanted=$(printf %s "$value" | md5sum; printf %s "key=$value $value and$escaped" | md5sum)
gam 1 service create -d -q --no-resolve-image --name reader --constraint node.hostname==host2 --stop-signal KILL --secret nameofthesecret \
  --secret templated busybox:1 sh -c 'md5sum </run/secrets/nameofthesecret; md5sum </run/secrets/templated; exec sleep 100000' >/dev/null

ids() { engine 2 ps -q --filter label=com.docker.swarm.service.name=reader; }
# What was read is asked of dockerd, for through Gam it would pass.
read_by() { # read_by N: so many containers run, and each has read both
  local id count=0
  for id in $(ids); do [ "$(engine 2 logs "$id")" = "$wanted" ] && count=$((count + 1)); done
  [ $count = "$1" ] && [ "$(ids | wc -l)" = "$1" ]
}
seek() { "$compat" seek --value "$value" --control "$@"; }
nowhere() { # nowhere WHEN CONTROL: the control must be in the worker's memory
  echo "$1:"
  seek "$2" --pid "$(<"$dir/h2/gam.pid")" || { echo "memory.sh: the worker's memory shows the value $1" >&2; exit 1; }
  for k in 1 2; do
    seek "$(gam $k info --format '{{.Swarm.NodeID}}')" "$dir/h$k/gam" || { echo "memory.sh: the state of host $k shows the value $1" >&2; exit 1; }
    seek 'gam is ready' "$dir/h$k/gam.log" || { echo "memory.sh: the log of host $k shows the value $1" >&2; exit 1; }
  done
}

until_ok 30 'a task has read the secrets' read_by 1
nowhere 'while a task runs' nameofthesecret
$lab gam-kill 1
$lab gam-start 1
until_ok 30 'two nodes are ready' ready
gam 1 service scale -d reader=3 >/dev/null
until_ok 30 'three tasks have read the secrets' read_by 3
nowhere 'after a new session and more tasks' nameofthesecret
gam 1 service rm reader >/dev/null
until_ok 30 'no task is left' read_by 0
gam 1 secret rm nameofthesecret templated >/dev/null
left() { [ -z "$($lab exec 2 find /run/gam/tasks -type f)" ]; }
until_ok 30 'no file is left' left
nowhere 'after all was removed' "$(gam 2 info --format '{{.Swarm.NodeID}}')"
