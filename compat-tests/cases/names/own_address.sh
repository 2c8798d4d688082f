# about: the name of a task's own host is its address on its network, also if it has a published port
# hosts: 1
swarm_init
quiet docker network create -d overlay --subnet 10.77.0.0/24 net >/dev/null
make_service web --publish 8080:80 --network net
until_ok 20 'the task runs' running web 1
of_net() { case $(try engine docker exec "$(container 1 web)" hostname -i) in 10.77.0.*) ;; *) false;; esac; }
until_ok 5 'it is the address on its network' of_net
run sh -c "docker exec $(container 1 web) grep -c 10[.]0[.]0[.] /etc/hosts"
