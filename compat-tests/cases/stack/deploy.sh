# about: a stack with all that a compose file may ask of a swarm: what becomes of each part, once and again
# hosts: 1
swarm_init
printf 'hush' >key; printf 'verbose=1' >conf
cat >stack.yml <<'END'
version: "3.9"
services:
  web:
    image: busybox
    command: ["sleep", "100000"]
    stop_signal: SIGKILL
    stop_grace_period: 3s
    hostname: "{{.Task.Name}}"
    environment: {A: "1", B: two}
    labels: {on.container: "yes"}
    working_dir: /tmp
    user: "0"
    init: true
    read_only: true
    cap_add: [NET_ADMIN]
    extra_hosts: ["other:10.9.8.7"]
    dns: [10.9.8.1]
    ulimits: {nofile: {soft: 100, hard: 200}}
    sysctls: {net.ipv4.ip_unprivileged_port_start: "0"}
    healthcheck: {test: ["CMD", "true"], interval: 1s, timeout: 2s, retries: 4, start_period: 1s}
    logging: {driver: json-file, options: {max-size: 1m}}
    networks: {front: {aliases: [door]}, back: {}}
    ports: ["8080:80", "8443:443/udp"]
    volumes:
      - data:/data
      - {type: tmpfs, target: /scratch, tmpfs: {size: 1048576}}
      - {type: bind, source: /tmp, target: /host, read_only: true}
    secrets:
      - {source: key, target: other, uid: "7", gid: "8", mode: 0400}
    configs:
      - {source: conf, target: /etc/conf, mode: 0444}
    deploy:
      mode: replicated
      replicas: 2
      endpoint_mode: vip
      labels: {on.service: "yes"}
      update_config: {parallelism: 2, delay: 1s, failure_action: rollback, monitor: 2s, max_failure_ratio: 0.5, order: start-first}
      rollback_config: {parallelism: 3, delay: 2s, failure_action: continue, monitor: 3s, max_failure_ratio: 0.1, order: stop-first}
      resources: {limits: {cpus: "0.5", memory: 32M, pids: 50}, reservations: {cpus: "0.1", memory: 16M}}
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 3, window: 4s}
      placement: {constraints: [node.role == manager], preferences: [{spread: node.labels.zone}], max_replicas_per_node: 5}
  each:
    image: busybox
    entrypoint: sleep
    command: "100000"
    stop_signal: SIGKILL
    networks: [back]
    ports: [{target: 81, published: 8081, protocol: udp, mode: host}]
    deploy: {mode: global, endpoint_mode: dnsrr}
  once:
    image: busybox
    command: "true"
    deploy: {mode: replicated-job, replicas: 2}
networks:
  front: {driver: overlay, attachable: true, labels: {a: b}, ipam: {config: [{subnet: 10.77.0.0/24}]}}
  back: {internal: true, driver_opts: {x: "y"}, ipam: {config: [{subnet: 10.78.0.0/24}]}}   # the default network is made before or after it
volumes:
  data: {labels: {c: d}}
secrets:
  key: {file: ./key, labels: {e: f}}
configs:
  conf: {file: ./conf}
END
sorted docker stack deploy --resolve-image never -c stack.yml all
until_ok 60 'two of web run' running all_web 2
until_ok 60 'one of each runs' running all_each 1
once() { [ "$(docker service ls --filter name=all_once --format '{{.Replicas}}')" = '0/2 (2/2 completed)' ]; }
until_ok 60 'the job is done' once
docker stack ls
docker stack services all --format '{{.Name}} {{.Mode}} {{.Replicas}} {{.Ports}}'
docker stack services all -q --filter name=all_web
docker stack services all --filter label=on.service --format '{{.Name}}'
docker stack services all --filter mode=global --format '{{.Name}}'
sorted docker stack ps all --filter desired-state=running --format '{{.Name}} {{.Image}} {{.Node}}' --filter name=all_web
for name in web each once; do docker service inspect all_$name --format '{{json .Spec}}'; done
for name in front back; do docker network inspect all_$name --format '{{.Driver}} {{.Internal}} {{.Attachable}} {{json .Labels}} {{json .IPAM}}'; done
docker secret inspect all_key --format '{{json .Spec}}'
docker config inspect all_conf --format '{{json .Spec}}'
engine docker volume inspect all_data --format '{{json .Labels}} {{json .Options}}'
before=$(try docker service ps -q --filter desired-state=running all_web | sort)
sorted docker stack deploy --resolve-image never -c stack.yml all
same() { [ "$(try docker service ps -q --filter desired-state=running all_web | sort)" = "$before" ]; }
run echo the same tasks "$(same && echo yes)"
sorted docker stack rm all
until_ok 40 'no container is left' '[ -z "$(engine docker ps -aq)" ]'
docker secret ls -q
docker config ls -q
docker network ls --filter scope=swarm --format '{{.Name}}'
