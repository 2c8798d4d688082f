# about: a container that mounts the engine's socket and shall always run is back after a boot, with the socket
# hosts: 1
quiet docker run -d --name short --restart always -v /var/run/docker.sock:/var/run/docker.sock busybox sleep 100000 >/dev/null
quiet docker run -d --name long --restart unless-stopped \
  --mount type=bind,src=//var/run/docker.sock,dst=/run/engine.sock busybox sleep 100000 >/dev/null
quiet docker run -d --name odd --restart always -v /var/run/./docker.sock:/a.sock:ro busybox sleep 100000 >/dev/null
quiet docker create --name never -v /var/run/docker.sock:/var/run/docker.sock busybox sleep 100000 >/dev/null
daemon stop
lab term 1
lab start 1
daemon start
is_up() { [ "$(try docker ps --format '{{.Names}}' | sort | xargs)" = 'long odd short' ]; }
until_ok 20 'all that shall run do' is_up
sorted docker ps -a --format '{{.Names}} {{.State}}'
docker exec short test -S /var/run/docker.sock
docker exec long test -S /run/engine.sock
docker exec odd test -S /a.sock
