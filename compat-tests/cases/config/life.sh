# about: a config is made, listed, looked at and removed with the CLI
# hosts: 1
swarm_init
run sh -c 'printf one >one; printf two >two'
wire docker config create first one
wire docker config create --label a=b second two
wire docker config ls --format '{{.Name}} {{.Labels}}'
docker config ls --filter name=fi --format '{{.Name}}'
docker config ls --filter label=a=b --format '{{.Name}}'
docker config ls --filter label=x --format '{{.Name}}'
wire docker config inspect first
docker config inspect --pretty second
docker config inspect nope
docker config create first one
docker config create
docker config create third missing
docker config rm first nope second
docker config ls -q
