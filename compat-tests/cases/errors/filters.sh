# about: the filters parameter: unknown keys, wrong shapes, and forms of old clients
# hosts: 1
swarm_init
for path in /nodes /services /tasks /secrets /configs; do
  for filters in '{"bogus":["x"]}' '{"bogus":{"x":true}}' '{' '[]' 'null' '7' '{"name":"x"}' '{"name":["nope"]}' '{"name":{"nope":true}}' '{"label":["a=b"]}' '{"id":["nope"]}'; do
    api GET "$path?filters=$filters"
  done
done
for filters in '{"bogus":["x"]}' '{' '{"name":"x"}' '{"name":["ingress"]}' '{"scope":["swarm"],"driver":["overlay"]}' '{"scope":["moon"]}' '{"type":["odd"]}'; do
  api GET "/networks?filters=$filters"
done
api GET '/tasks?filters={"desired-state":["odd"]}'
api GET '/nodes?filters={"role":["boss"]}'
api GET '/services?filters={"mode":["odd"]}'
api GET '/services?status=perhaps'
