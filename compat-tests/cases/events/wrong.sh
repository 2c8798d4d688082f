# about: the events that nobody has: filters, times and forms that are wrong
# hosts: 1
swarm_init
docker events --since x
docker events --since 1 --until x
docker events --filter novalue
docker events --since 1 --until 2 --filter type=service
docker events --since 1 --until 2 --filter bogus=x
docker events --since 1 --until 2 --format '{{.Nope}}'
docker events surplus
api GET '/events?since=1&until=2&filters={"bogus":["x"]}'
api GET '/events?since=1&until=2&filters={'
api GET '/events?since=x'
api GET '/events?since=2&until=1'
api -i GET '/events?since=1&until=2'
