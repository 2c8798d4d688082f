# about: a task reads its secrets and configs where the service wants them, with owner and mode
# hosts: 1
swarm_init
run sh -c 'printf "the value" >one; printf "a config" >two'
for name in s s2 s3; do quiet docker secret create $name one >/dev/null; done
for name in c c2; do quiet docker config create $name two >/dev/null; done
docker service create -d --name web --stop-signal KILL --secret s --secret source=s2,target=deep/er,uid=7,gid=8,mode=0400 \
  --secret source=s3,target=/etc/abs,mode=0777 --config c --config source=c2,target=/etc/sub/conf,uid=1,gid=2,mode=0440 busybox sleep 1000
until_ok 40 'the task runs' running web 1
id=$(container 1 web)
for file in /run/secrets/s /run/secrets/deep/er /etc/abs /c /etc/sub/conf; do
engine docker exec $id stat -c '%n %a %u:%g %F %s' $file
engine docker exec $id cat $file
done
engine docker exec $id sh -c 'echo x >/run/secrets/s'
engine docker exec $id stat -c '%n %a %u:%g' /run/secrets
engine docker exec $id rm /run/secrets/s
