# about: names, sizes and versions of secrets, and what is refused
# hosts: 1
swarm_init
api -i POST /secrets/create '{"Name":"a-1","Labels":{"x":"1"},"Data":"aGk="}'
api POST /secrets/create '{"Name":"a-1","Data":"aGk="}'
api POST /secrets/create '{"Name":"A-1","Data":"aGk="}'
api GET /secrets/A-1
api POST /secrets/create '{"Name":"b b","Data":"aGk="}'
api POST /secrets/create '{"Name":"-b","Data":"aGk="}'
api POST /secrets/create '{"Name":"b_","Data":"aGk="}'
api POST /secrets/create '{"Data":"aGk="}'
api POST /secrets/create '{"Name":"0123456789012345678901234567890123456789012345678901234567890123","Data":"aGk="}'
api POST /secrets/create '{"Name":"01234567890123456789012345678901234567890123456789012345678901234","Data":"aGk="}'
api POST /secrets/create '{"Name":"empty"}'
api POST /secrets/create '{"Name":"empty","Data":""}'
api POST /secrets/create '{"Name":"b","Data":"a"}'
api POST /secrets/create '{"Name":"b","Data":"a*=="}'
api POST /secrets/create '{"Name":"b","Data":7}'
api POST /secrets/create '{"Name":"a.b-c_d","Data":"aGk=","Labels":null}'
api GET /secrets/a-1
api GET /secrets/nope
api GET '/secrets?filters={"name":["a-1"]}'
api GET '/secrets?filters={"name":["a-"]}'
api GET '/secrets?filters={"names":["a-1"]}'
api GET '/secrets?filters={"label":["x=1"]}'
api GET '/secrets?filters={"label":["x=2"]}'
api GET '/secrets?filters={"bogus":["x"]}'
v() { try api GET /secrets/a-1 | pick Version.Index; }
api POST "/secrets/a-1/update?version=$(v)" '{"Name":"a-1","Labels":{"y":"2"},"Data":"aGk="}'
api GET /secrets/a-1
api POST "/secrets/a-1/update?version=$(v)" '{"Name":"a-1","Labels":{"z":"3"}}'
api GET /secrets/a-1
api POST "/secrets/a-1/update?version=$(v)" '{"Name":"a-1","Data":"aGh="}'
api POST "/secrets/a-1/update?version=$(v)" '{"Name":"a-1","Data":""}'
api POST "/secrets/a-1/update?version=$(v)" '{"Name":"b","Labels":{"y":"2"}}'
api POST "/secrets/a-1/update?version=$(v)" '{"Labels":{"y":"2"}}'
api POST "/secrets/a-1/update?version=1" '{"Name":"a-1","Labels":{"y":"2"}}'
api POST "/secrets/a-1/update" '{"Name":"a-1","Labels":{"y":"2"}}'
api POST "/secrets/a-1/update?version=x" '{"Name":"a-1"}'
api POST "/secrets/nope/update?version=1" '{"Name":"nope"}'
api DELETE /secrets/nope
api -i DELETE /secrets/a-1
api DELETE /secrets/a-1
api GET /secrets
