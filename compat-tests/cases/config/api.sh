# about: names, sizes and versions of configs, and what is refused
# hosts: 1
swarm_init
api -i POST /configs/create '{"Name":"a-1","Labels":{"x":"1"},"Data":"aGk="}'
api POST /configs/create '{"Name":"a-1","Data":"aGk="}'
api POST /configs/create '{"Name":"A-1","Data":"aGk="}'
api GET /configs/A-1
api POST /configs/create '{"Name":"b b","Data":"aGk="}'
api POST /configs/create '{"Name":"-b","Data":"aGk="}'
api POST /configs/create '{"Name":"b_","Data":"aGk="}'
api POST /configs/create '{"Data":"aGk="}'
api POST /configs/create '{"Name":"0123456789012345678901234567890123456789012345678901234567890123","Data":"aGk="}'
api POST /configs/create '{"Name":"01234567890123456789012345678901234567890123456789012345678901234","Data":"aGk="}'
api POST /configs/create '{"Name":"empty"}'
api POST /configs/create '{"Name":"empty","Data":""}'
api POST /configs/create '{"Name":"b","Data":"a"}'
api POST /configs/create '{"Name":"b","Data":"a*=="}'
api POST /configs/create '{"Name":"b","Data":7}'
api POST /configs/create '{"Name":"a.b-c_d","Data":"aGk=","Labels":null}'
api GET /configs/a-1
api GET /configs/nope
api GET '/configs?filters={"name":["a-1"]}'
api GET '/configs?filters={"name":["a-"]}'
api GET '/configs?filters={"names":["a-1"]}'
api GET '/configs?filters={"label":["x=1"]}'
api GET '/configs?filters={"label":["x=2"]}'
api GET '/configs?filters={"bogus":["x"]}'
v() { try api GET /configs/a-1 | pick Version.Index; }
api POST "/configs/a-1/update?version=$(v)" '{"Name":"a-1","Labels":{"y":"2"},"Data":"aGk="}'
api GET /configs/a-1
api POST "/configs/a-1/update?version=$(v)" '{"Name":"a-1","Labels":{"z":"3"}}'
api GET /configs/a-1
api POST "/configs/a-1/update?version=$(v)" '{"Name":"a-1","Data":"aGh="}'
api POST "/configs/a-1/update?version=$(v)" '{"Name":"a-1","Data":""}'
api POST "/configs/a-1/update?version=$(v)" '{"Name":"b","Labels":{"y":"2"}}'
api POST "/configs/a-1/update?version=$(v)" '{"Labels":{"y":"2"}}'
api POST "/configs/a-1/update?version=1" '{"Name":"a-1","Labels":{"y":"2"}}'
api POST "/configs/a-1/update" '{"Name":"a-1","Labels":{"y":"2"}}'
api POST "/configs/a-1/update?version=x" '{"Name":"a-1"}'
api POST "/configs/nope/update?version=1" '{"Name":"nope"}'
api DELETE /configs/nope
api -i DELETE /configs/a-1
api DELETE /configs/a-1
api GET /configs
