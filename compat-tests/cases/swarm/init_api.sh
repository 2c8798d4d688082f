# about: the answers of POST /swarm/init to a good body, an empty one and wrong addresses
# hosts: 1
api POST /swarm/init '{}'
api POST /swarm/init '{"ListenAddr":"0.0.0.0:2377"}'
api POST /swarm/init '{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"nope nope"}'
api POST /swarm/init '{"ListenAddr":":99999","AdvertiseAddr":"127.0.0.1"}'
api POST /swarm/init "{\"ListenAddr\":\"0.0.0.0:2377\",\"AdvertiseAddr\":\"$H1\",\"Spec\":{\"Name\":\"other\"}}"
api POST /swarm/init "{\"ListenAddr\":\"0.0.0.0:2377\",\"AdvertiseAddr\":\"$H1\",\"Spec\":{\"Labels\":{\"a\":\"b\"}}}"
api GET /swarm
