# about: secrets and configs that are templates
# hosts: 1
swarm_init
run sh -c 'printf hush >key'
run sh -c 'printf "user={{ env \"USER\" }} on={{ env \"ON\" }} key={{ secret \"key\" }} c={{ config \"/etc/plain\" }}\n" >made'
run sh -c 'printf "s={{ .Service.Name }} t={{ .Task.Slot }} n={{ len .Node.ID }} {{ secret \"key\" | len }}\n" >conf'
run sh -c 'printf "plain {{ .Service.Name }}\n" >plain'
docker secret create key key
docker secret create --template-driver golang made made
docker config create --template-driver golang conf conf
docker config create plain plain
docker secret inspect made --format '{{json .Spec.Templating}}'
docker config inspect conf --format '{{json .Spec.Templating}}'
make_service web --env 'USER=me' --env 'ON={{.Service.Name}}' --secret key --secret made --config source=conf,target=/etc/conf --config source=plain,target=/etc/plain
until_ok 30 'the task runs' running web 1
id=$(container 1 web)
engine docker exec "$id" cat /run/secrets/made /etc/conf /etc/plain
