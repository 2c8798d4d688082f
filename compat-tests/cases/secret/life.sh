# about: a secret is made, listed, looked at and removed with the CLI
# hosts: 1
swarm_init
run sh -c 'printf one >one; printf two >two'
wire docker secret create first one
wire docker secret create --label a=b second two
wire docker secret ls --format '{{.Name}} {{.Labels}}'
docker secret ls --filter name=fi --format '{{.Name}}'
docker secret ls --filter label=a=b --format '{{.Name}}'
docker secret ls --filter label=x --format '{{.Name}}'
wire docker secret inspect first
docker secret inspect --pretty second
docker secret inspect nope
docker secret create first one
docker secret create
docker secret create third missing
docker secret rm first nope second
docker secret ls -q
