# about: what info says of the swarm on the leader, another manager and a worker, and the header of ping
# hosts: 3
swarm_of 3 2
for k in 1 2 3; do
  until_ok 20 'all managers are known' '[ "$(on '$k' docker info --format "{{len .Swarm.RemoteManagers}}")" = 2 ]'
  on $k docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Nodes}} {{.Swarm.Managers}} {{.Swarm.NodeAddr}} {{.Swarm.NodeID}} [{{.Swarm.Error}}]'
  on $k sorted docker info --format '{{range .Swarm.RemoteManagers}}{{.Addr}} {{.NodeID}}{{"\n"}}{{end}}' >/dev/null
  on $k run sh -c 'docker info 2>/dev/null | sed -n "/^ Swarm:/,/^ Runtimes:/p" | grep -v -e "^ Runtimes:" -e "^  *[0-9.]*:2377$"'
  on $k api -i GET /_ping
done
on 2 docker info --format '{{.Swarm.Cluster.ID}} {{.Swarm.Cluster.Spec.Name}}'
on 3 docker info --format '{{json .Swarm.Cluster}}'
