# about: stacks that are refused: names, files, what is not there, and what may not change
# hosts: 1
printf 'services:\n  web: {image: busybox, command: sleep 100000, stop_signal: SIGKILL}\n' >good.yml
docker stack ls
docker stack deploy -c good.yml app
docker stack ps app
docker stack services app
docker stack rm app
swarm_init
docker stack ls
docker stack ps app
docker stack services app
docker stack rm app
docker stack rm
docker stack deploy -c good.yml ''
docker stack deploy -c good.yml ' '
docker stack deploy -c missing.yml app
docker stack deploy app
wrong() { printf "$1" >wrong.yml; docker stack deploy --resolve-image never -c wrong.yml app; }
wrong ''
wrong 'version: "2"\nservices: {web: {image: busybox}}\n'
wrong 'version: "9"\nservices: {web: {image: busybox}}\n'
wrong 'services: {web: {image: busybox, bogus: 1}}\n'
wrong 'services: {web: {command: x}}\n'
wrong 'services: {web: {image: UPPER}}\n'
wrong 'services: {"we b": {image: busybox}}\n'
wrong 'services: {web: {image: busybox, networks: [nope]}}\n'
wrong 'services: {web: {image: busybox, secrets: [nope]}}\n'
wrong 'services: {web: {image: busybox, ports: ["x:y"]}}\n'
wrong 'services: {web: {image: busybox, deploy: {replicas: -1}}}\n'
wrong 'services: {web: {image: busybox, deploy: {mode: nope}}}\n'
wrong 'services: {web: {image: busybox, deploy: {mode: global, replicas: 2}}}\n'
wrong 'services: {web: {image: busybox, deploy: {placement: {constraints: ["node.bogus == 1"]}}}}\n'
wrong 'services: {web: {image: busybox, deploy: {resources: {limits: {memory: 1}}}}}\n'
wrong 'services: {web: {image: busybox, networks: [n]}}\nnetworks: {n: {driver: nope}}\n'
try docker stack rm app
until_ok 20 'nothing of it is left' '[ -z "$(docker stack ls -q 2>/dev/null; docker network ls -q --filter name=app_)" ]'
# A value may not change under its name; a label may.
printf one >key
printf 'services:\n  web: {image: busybox, command: sleep 100000, stop_signal: SIGKILL, secrets: [key], configs: [key]}\nsecrets: {key: {file: ./key}}\nconfigs: {key: {file: ./key}}\n' >kept.yml
sorted docker stack deploy --resolve-image never -c kept.yml app
printf two >key
docker stack deploy --resolve-image never -c kept.yml app
printf one >key
sed -i 's|secrets: {key: {file: ./key}}|secrets: {key: {file: ./key, labels: {a: b}}}|' kept.yml
docker stack deploy --resolve-image never -c kept.yml app
docker secret inspect app_key --format '{{json .Spec.Labels}}'
docker stack rm app nope
docker stack rm nope
