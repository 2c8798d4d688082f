# about: tasks on several hosts read a secret; a worker that has no task of it never holds it
# hosts: 3
swarm_of 3 1
run sh -c 'printf "grep-for-%s" me-if-you-can >one'
quiet docker secret create s one >/dev/null
quiet docker config create c one >/dev/null
make_service web --mode global --constraint node.hostname!=host3 --secret s --config c
until_ok 40 'two tasks run' running web 2
for k in 1 2; do
on $k engine docker exec $(container $k web) cat /run/secrets/s
done
docker service rm web
until_ok 40 'no container is left' containers web 0
docker secret rm s
docker config rm c
