#!/usr/bin/env bash
# Prometheus finds its targets by the API of swarm mode ($DOCKER_HOST, which has no swarm yet), once for each of its roles, once with
# filters, and again after a service was scaled. Each target with all its labels is a passed test in $RESULTS, and so is their number:
# a target too many is then missed like one too few. Ids and addresses, which are of chance, are named by whose they are.
#   prometheus.sh PROGRAM FOLDER
set -euo pipefail
program=$1 folder=$2/prometheus-data socket=${DOCKER_HOST#unix://}
api() { curl -sf --max-time 10 --unix-socket "$socket" "http://d$1"; }
until_ok() { # until_ok SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "after a while still not so: $what" >&2; exit 1; }
    sleep 0.1
  done
}

docker swarm init --advertise-addr eth0 >/dev/null
docker node update --label-add zone.of=east "$(docker node ls -q)" >/dev/null
docker network create -d overlay --label of=net --subnet 10.77.0.0/24 net >/dev/null
make() { docker service create -d --no-resolve-image --stop-signal KILL --name "$@" busybox:1 sleep 100000 >/dev/null; }
make web --replicas 2 --network net --publish 8080:80 --publish 53:53/udp --label tier-one=front --container-label of.task=yes
make plain
make host --publish mode=host,published=9000,target=90
make round --endpoint-mode dnsrr --network net --mode global --hostname h
make none --replicas 0 --network net
run() { [ "$(api '/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D' | jq '[.[] | select(.Status.State == "running")] | length')" = "$1" ]; }
until_ok 60 'five tasks run' run 5

rm -rf "$folder" && mkdir -p "$folder"
job() { # job NAME ROLE MORE
  printf -- '- job_name: %s\n  scrape_interval: 1h\n  scrape_timeout: 1s\n  dockerswarm_sd_configs: [{host: "%s", role: %s, refresh_interval: 1s%s}]\n' \
    "$1" "$DOCKER_HOST" "$2" "${3:-}"
}
{
  echo 'scrape_configs:'
  for role in nodes services tasks; do job $role $role; done
  job managers nodes ', filters: [{name: role, values: [manager]}]'
  job labelled services ', filters: [{name: label, values: [tier-one=front]}]'
  job running tasks ', filters: [{name: desired-state, values: [running]}]'
} >"$folder/prometheus.yml"
"$program" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --web.listen-address=127.0.0.1:9090 --log.level=warn &
prometheus=$!
trap 'kill $prometheus' EXIT

targets() { curl -sf --max-time 5 http://127.0.0.1:9090/api/v1/targets; } # of all jobs
found() { [ "$(targets | jq '[.data.activeTargets[].scrapePool] | unique | length')" = 6 ]; }
until_ok 60 'targets of each job are found' found

# names: a program for sed, that names ids and addresses.
names() {
  jq -rn --slurpfile nodes <(api /nodes) --slurpfile services <(api /services) --slurpfile tasks <(api /tasks) --slurpfile networks <(api /networks) '
    def rule($name): if . then "s/\\b\(split("/")[0] | gsub("\\."; "\\."))\\b/<\($name)>/g" else empty end;
    ($services[0] | map({(.ID): .Spec.Name}) | add) as $named
    | ($nodes[0][] | (.ID | rule("node")), (.Status.Addr | rule("host"))),
      ($networks[0][] | .Name as $name | .Id | rule("network " + $name)),
      ($services[0][] | .Spec.Name as $name | (.ID | rule("service " + $name)), (.Endpoint.VirtualIPs[]?.Addr | rule("vip of " + $name))),
      ($tasks[0][] | ($named[.ServiceID] + ".\(.Slot // 0)") as $name
        | (.ID | rule("task " + $name)), (.Status.ContainerStatus.ContainerID | rule("container of " + $name)),
          (.NetworksAttachments[]? | .Network.Spec.Name as $network | .Addresses[]? | rule($name + " on " + $network)))'
}
# note WHEN: all targets as they are found now.
note() {
  targets | jq -c '.data.activeTargets[] | {job: .scrapePool} + .discoveredLabels' | sed -f <(names) | LC_ALL=C sort >"$folder/$1"
  sed "s/^/passed $1: /" "$folder/$1"
  jq -r .job "$folder/$1" | sort | uniq -c | sed -E "s/ *([0-9]+) (.*)/passed $1: \1 targets of \2/"
}
note begin >>"$RESULTS"
docker service scale -d web=3 >/dev/null
until_ok 60 'six tasks run' run 6
grown() {
  targets | jq -e '[.data.activeTargets[] | select(.discoveredLabels | .__meta_dockerswarm_task_slot == "3" and .__meta_dockerswarm_task_state == "running")
    | .scrapePool] | unique | length == 2'
}
until_ok 60 'the third task is found' grown
note grown >>"$RESULTS"
