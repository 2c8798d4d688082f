# about: start-first starts the new task before the old one is stopped, stop-first after it
# hosts: 1
swarm_init
completed() { [ "$(try docker service inspect web --format '{{.UpdateStatus.State}}')" = completed ]; }
moment() { date -d "$(try engine docker inspect "web.1.$1" --format "{{.State.$2}}")" +%s%N; }
for order in start-first stop-first; do
  try docker service rm web >/dev/null 2>&1
  make_service web --update-order $order --update-monitor 100ms
  until_ok 30 'the task runs' running web 1
  old=$(try docker service ps -q --no-trunc web)
  docker service update -d --env-add A=1 web
  until_ok 30 'the update is complete' completed
  until_ok 20 'the old container is gone' containers web 1
  new=$(try docker service ps -q --no-trunc web --filter desired-state=running)
  docker service ps web
  if [ "$(moment "$new" StartedAt)" -lt "$(moment "$old" FinishedAt)" ]; then run echo the new one started before the old one ended; else
    run echo the new one started after the old one ended; fi
done
