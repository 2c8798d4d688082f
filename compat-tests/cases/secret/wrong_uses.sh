# about: references to secrets and configs that are refused
# hosts: 1
swarm_init
run sh -c 'printf one >one'
s=$(quiet docker secret create s one)
c=$(quiet docker config create c one)
docker service create -d --name web --secret nope busybox
docker service create -d --name web --config nope busybox
docker service create -d --name web --secret source=s,target=x,mode=x busybox
docker service create -d --name web --secret source=s,bogus=x busybox
docker service create -d --name web --secret s --secret s busybox
service() { api POST /services/create "{\"Name\":\"web\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"busybox\",$1}}}"; }
service "\"Secrets\":[{\"SecretID\":\"$s\",\"SecretName\":\"s\"}]"
service "\"Secrets\":[{\"SecretID\":\"$s\",\"SecretName\":\"other\",\"File\":{\"Name\":\"x\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292}}]"
service "\"Secrets\":[{\"SecretID\":\"nope\",\"SecretName\":\"s\",\"File\":{\"Name\":\"x\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292}}]"
service "\"Secrets\":[{\"SecretName\":\"s\",\"File\":{\"Name\":\"x\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292}}]"
service "\"Secrets\":[{\"SecretID\":\"$s\",\"SecretName\":\"s\",\"File\":{\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292}}]"
service "\"Configs\":[{\"ConfigID\":\"$c\",\"ConfigName\":\"other\",\"File\":{\"Name\":\"x\",\"UID\":\"0\",\"GID\":\"0\",\"Mode\":292}}]"
docker service ls -q
