# shellcheck shell=bash
# The suites of SDKs: for each, how it is got (get_NAME FOLDER), which images it wants (images_of NAME), and how its tests of
# swarm mode are run (run_NAME FOLDER, with DOCKER_HOST set), so that $RESULTS holds a line `passed NAME` per passed test.

# The tests that docker-py shipped last (its later packages hold none), with the newest library.
docker_py_tests=6.1.3 docker_py=7.2.0
aiodocker=0.27.0
clients=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

venv() { # venv FOLDER PACKAGE...
  local folder=$1; shift
  [ -x "$folder/bin/pip" ] || python3 -m venv "$folder" || return 1
  "$folder/bin/pip" install -q --disable-pip-version-check "$@"
}
sdist() { # sdist FOLDER PACKAGE VERSION: its source, as the registry has it
  [ -d "$1/$2-$3" ] && return
  "$1/python/bin/pip" download -q --no-deps --no-build-isolation --no-binary "$2" -d "$1" "$2==$3" && tar -xzf "$1/$2-$3.tar.gz" -C "$1"
}

get_docker_py() {
  venv "$1/python" "docker==$docker_py" setuptools==80.9.0 setuptools_scm==8.3.1 wheel paramiko websocket-client==1.8.0 pytest==9.0.3 pytest-timeout==2.4.0 &&
    sdist "$1" docker $docker_py_tests &&
    rm -rf "$1/docker-$docker_py_tests/docker"   # the old library, which the tests would take instead of the newest
}
get_aiodocker() {
  venv "$1/python" "aiodocker==$aiodocker" hatchling hatch-vcs async-timeout==5.0.1 packaging pytest==9.0.3 pytest-asyncio==1.3.0 \
    testcontainers==4.14.2 pytest-timeout==2.4.0 &&
    sdist "$1" aiodocker $aiodocker
}
get_dockerode() { mkdir -p "$1/node" && npm install --prefix "$1/node" --no-audit --no-fund --silent dockerode@5.0.1; }
get_portainer() { command -v python3; }
# The interpreter in the image is that of this machine, with what the programs import.
get_portainer_agent() { PYTHONPATH=$clients python3 "$clients/pack.py" >"$1/agent.tar"; }
get_prometheus() { # Debian's package, unpacked: installed, it would start a service
  [ -x "$1/prometheus/usr/bin/prometheus" ] || (
    rm -rf "$1/prometheus.new" && mkdir -p "$1/prometheus.new" && cd "$1/prometheus.new" && apt-get -q download prometheus &&
      dpkg-deb -x prometheus_*.deb . && mv "$1/prometheus.new" "$1/prometheus"
  )
}
# The bollard that Gam itself uses, from cargo's own store.
get_bollard() {
  local source
  source=$(cargo metadata --locked --format-version 1 | jq -r '.packages[] | select(.name == "bollard") | .manifest_path')
  mkdir -p "$1/bollard" && cp -r "$(dirname "$source")/." "$1/bollard" &&
    bollard "$1" --no-run
}
bollard() {
  local folder=$1 test tests=(); shift
  for test in node secret service task network swarm; do tests+=(--test "${test}_test"); done
  # A workspace of its own, or cargo would take it for a member of Gam's.
  grep -q '^\[workspace\]' "$folder/bollard/Cargo.toml" || printf '\n[workspace]\n' >>"$folder/bollard/Cargo.toml"
  (cd "$folder/bollard" && cargo test --features test_swarm "${tests[@]}" --target-dir "$folder/bollard-target" --no-fail-fast "$@")
}

hosts_of() { if [ "$1" = portainer-agent ]; then echo 3; else echo 1; fi; }
images_of() {
  case $1 in
  docker-py) echo alpine:3.10 alpine:latest busybox:latest;;
  aiodocker) echo python:latest python:3.13-alpine python:3.14-alpine;;
  portainer | portainer-agent | prometheus | dockerode) ;;
  bollard) echo fussybeaver/uhttpd:latest alpine:latest hello-world:linux;;
  esac
}

pytest() { # pytest FOLDER ARGS...: in the current folder; the plugin `results` writes $RESULTS
  local folder=$1; shift
  "$folder/python/bin/python" -m pytest -p results -o addopts= -o cache_dir="$folder/pytest" --tb=short -v --timeout 120 "$@"
}
run_docker_py() {
  local files=(api_secret api_config api_swarm models_nodes models_swarm models_networks models_services api_network)
  [ -n "${SUITE_SHORT:-}" ] || files+=(api_service)
  files=("${files[@]/%/_test.py}")
  cd "$1/docker-$docker_py_tests" && pytest "$1" "${files[@]/#/tests/integration/}"
}
run_aiodocker() {
  cd "$1/aiodocker-$aiodocker" || return
  pytest "$1" -W default tests/test_{configs,nodes,secrets,services,swarm,networks}.py
}
# Not a suite of others, but a replay of what Portainer's screens ask.
run_portainer() {
  docker swarm init --advertise-addr 127.0.0.1 &&
    timeout 300 python3 "$clients/portainer.py" | tee "$RESULTS"
}
# Two managers and a worker: the server on the first host, agents on all. $SOCKETS and $ADDRESSES are those of the hosts.
run_portainer_agent() {
  local sockets addresses k roles=('' manager worker)
  read -ra sockets <<<"$SOCKETS"
  read -ra addresses <<<"$ADDRESSES"
  docker swarm init --advertise-addr "${addresses[0]}" >/dev/null || return
  for k in 1 2; do
    docker -H "${sockets[k]}" swarm join --token "$(docker swarm join-token -q "${roles[k]}")" --advertise-addr "${addresses[k]}" \
      "${addresses[0]}:2377" || return
  done
  for k in 0 1 2; do
    docker -H "${sockets[k]}" import -c 'ENV PATH=/bin' - portainer/agent:2.19.3 <"$1/agent.tar" &&
      docker -H "${sockets[k]}" run -d --name "only-host$((k + 1))" busybox:1 sleep 100000 || return
  done
  docker stack deploy --resolve-image never -c "$clients/agent.yml" portainer &&
    timeout 300 docker run --rm --network portainer_agent_network -e ADDRESSES portainer/agent:2.19.3 \
      python3 -u /portainer_agent.py | tee "$RESULTS"
  docker service logs portainer_agent   # for people: how each agent began
}
# Prometheus's discovery, by the daemon itself.
run_prometheus() { timeout 300 "$clients/prometheus.sh" "$1/prometheus/usr/bin/prometheus" "$1"; }
run_dockerode() {
  docker swarm init --advertise-addr 127.0.0.1 &&
    NODE_PATH=$1/node/node_modules timeout 300 node "$clients/dockerode.cjs" | tee "$RESULTS"
}
# All but the test of a swarm's birth and end need a swarm; that one wants none.
run_bollard() {
  {
    docker swarm init --advertise-addr 127.0.0.1
    DISABLE_REGISTRY=1 bollard "$1" -- --test-threads 1 --skip integration_test_swarm
    docker swarm leave --force
    DISABLE_REGISTRY=1 bollard "$1" -- --test-threads 1 --exact integration_test_swarm
  } 2>&1 | tee /dev/stderr | sed -n 's/^test \(.*\) \.\.\. ok$/passed \1/p; s/^test \(.*\) \.\.\. FAILED$/failed \1/p' >"$RESULTS"
}
