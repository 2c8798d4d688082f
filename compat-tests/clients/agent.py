"""Stands in for Portainer's agent: does at its start what that does with the socket mounted into its container, finds the agents of
the other nodes, and serves Docker's API on port 9001 by the agent's rules: versions are cut off, lists of all nodes are joined, what
concerns the swarm goes to a manager's agent, and the rest to the node that the header X-PortainerAgent-Target names.

It speaks HTTP instead of HTTPS, tells others of its members by a line of JSON instead of Serf, and takes what is typed at a console as
a body instead of over a websocket. What Docker sees of it is the same. Whatever the agent would end on ends it too."""

import http.client
import http.server
import json
import os
import re
import socket
import socketserver
import struct
import sys
import threading
import time

SOCKET = "/var/run/docker.sock"  # the agent's proxy has no other
API_PORT, GOSSIP_PORT = 9001, 7946
CALL_S, PING_S, GOSSIP_S = 120, 3, 1
PACKET = 1400  # bytes of the longest packet of Serf
TARGET, MANAGER, SIGNATURE = "X-PortainerAgent-Target", "X-PortainerAgent-ManagerOperation", "X-PortainerAgent-Signature"
VERSION = re.compile(r"/v\d+\.\d+(?=/)")
OF_MANAGERS = ("/services", "/tasks", "/secrets", "/configs", "/swarm", "/info", "/nodes")
JOINED = ("/containers/json", "/images/json", "/networks", "/volumes")
OWN_HEADERS = {"Portainer-Agent": "2.23.0", "Portainer-Agent-API-Version": "2", "Portainer-Agent-Platform": "1"}
NOT_PASSED = {"host", "connection", "content-length", "transfer-encoding", "date", "server"}

me = {}  # this agent, as the others see it
members = {}  # all agents that answer, this one among them, by their address
addresses = set()  # where others may be


def unix_socket():
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(CALL_S)
    opened.connect(SOCKET)
    return opened


class Docker(http.client.HTTPConnection):
    """HTTP over the mounted socket."""

    def connect(self):
        self.sock = unix_socket()


def ask(connection, method, path, body=None, headers=None):
    """One request: the status, headers and body of its answer."""
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def shown(path):
    """What Docker says at a path; there is no going on without it."""
    status, _, data = ask(Docker("docker"), "GET", path)
    assert status == 200, f"GET {path}: {status} {data!r}"
    return json.loads(data)


def lookup(name, kind=1):
    """The addresses that the container's resolver has for a name, asked as Go's own resolver asks; kind 28 is those of IPv6."""
    with open("/etc/resolv.conf", encoding="ascii") as lines:
        server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + struct.pack(">xHH", kind, 1)
    larger = struct.pack(">xHHIH", 41, 1232, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(5)
        asked.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 1) + question + larger, (server, 53))
        answer = asked.recv(4096)
    _, flags, _, count, _, _ = struct.unpack(">6H", answer[:12])
    assert flags & 15 == 0, f"{name}: the resolver refuses with {flags & 15}"
    found, at = [], 12 + len(question)
    for _ in range(count):
        while 0 < answer[at] < 192:  # a label; other bytes end the name, or point to the rest of it
            at += answer[at] + 1
        at += 2 if answer[at] else 1
        got, _, _, length = struct.unpack(">HHIH", answer[at:at + 10])
        if got == kind:
            found.append(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, answer[at + 10:at + 10 + length]))
        at += 10 + length
    return found


def begin():
    """The agent's start, in its order."""
    ask(Docker("docker"), "HEAD", "/_ping")
    info = shown("/info")
    assert info["Swarm"]["NodeID"], "the socket is that of an engine without swarm"
    manager = info["Swarm"]["ControlAvailable"]
    leader = manager and shown("/nodes/" + info["Swarm"]["NodeID"])["ManagerStatus"].get("Leader", False)
    own = shown(f"/containers/{socket.gethostname()}/json")
    attached = own["NetworkSettings"]["Networks"].values()
    known = [(shown("/networks/" + each["NetworkID"]), each["IPAddress"]) for each in attached]
    address = next(ip for network, ip in known if network["Scope"] == "swarm" and not network["Ingress"] and ip)
    name = "tasks." + shown(f"/containers/{socket.gethostname()}/json")["Config"]["Labels"]["com.docker.swarm.service.name"]
    time.sleep(3)  # the agent's own pause: so long others have to be found, and the name to resolve
    found = lookup(name)
    assert address in found and lookup(name, 28) == [], f"{name}: {found} without {address}, or with others"
    me.update(IPAddress=address, NodeName=info["Name"], NodeRole="manager" if manager else "worker", Leader=leader,
              Container=own["Id"])
    members[address] = me
    addresses.update(found)


class Told(socketserver.StreamRequestHandler):
    """Another agent tells who it is and whom it knows, and is told the same."""

    def handle(self):
        other = json.loads(self.rfile.readline())
        addresses.update(other["addresses"])
        self.wfile.write(greeting())


class Echo(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read())


def greeting():
    return json.dumps({"member": me, "addresses": [*addresses]}).encode() + b"\n"


def greet(address):
    """Another agent is a member while it answers over both protocols, in packets as long as any."""
    with socket.create_connection((address, GOSSIP_PORT), PING_S) as stream:
        stream.sendall(greeting())
        other = json.loads(stream.makefile("rb").readline())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        packets.settimeout(PING_S)
        packets.connect((address, GOSSIP_PORT))
        sent = os.urandom(PACKET)
        packets.send(sent)
        if packets.recv(PACKET + 1) != sent:
            raise OSError("another packet came back")
    addresses.update(other["addresses"])
    members[address] = other["member"]


def gossip():
    while True:
        for address in addresses - {me["IPAddress"]}:
            try:
                greet(address)
            except (OSError, ValueError):
                members.pop(address, None)
        time.sleep(GOSSIP_S)


class Api(http.server.BaseHTTPRequestHandler):
    """Port 9001."""

    protocol_version = "HTTP/1.1"

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        try:
            status, headers, data = self.answer(VERSION.sub("", self.path), body)
        except (OSError, ValueError, StopIteration, http.client.HTTPException) as error:
            status, headers, data = 500, [], json.dumps({"message": f"agent: {error!r}"}).encode()
        self.send_response(status)
        for name, value in [*headers, *OWN_HEADERS.items()]:
            if name.lower() not in NOT_PASSED:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve

    def answer(self, path, body):
        plain, target = path.partition("?")[0], self.headers.get(TARGET)
        if plain == "/ping":
            return 204, [], b""
        if SIGNATURE not in self.headers:
            return 403, [], b""
        if plain == "/v2/agents":
            return 200, [("Content-Type", "application/json")], json.dumps([*members.values()]).encode()
        if MANAGER in self.headers or plain.startswith(OF_MANAGERS):
            if me["NodeRole"] != "manager":
                return self.pass_on(next(each for each in [*members.values()] if each["NodeRole"] == "manager"), path, body)
        elif plain in JOINED and self.command == "GET" and target != me["NodeName"]:
            return self.join(path)
        elif target not in (None, me["NodeName"]):
            return self.pass_on(next(each for each in [*members.values()] if each["NodeName"] == target), path, body)
        if plain == "/websocket/exec":
            return console(path.partition("id=")[2], body)
        return ask(Docker("docker"), self.command, path, body, self.passed())

    def passed(self):
        return {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED}

    def pass_on(self, member, path, body=None):
        """The same request, to another agent, or this one, as its own affair."""
        connection = http.client.HTTPConnection(member["IPAddress"], API_PORT, timeout=CALL_S)
        return ask(connection, self.command, path, body, {**self.passed(), TARGET: member["NodeName"]})

    def join(self, path):
        """The lists of all members that answer; each element says whose it is."""
        joined, volumes = [], path.startswith("/volumes")
        for member in [*members.values()]:
            ask(http.client.HTTPConnection(member["IPAddress"], API_PORT, timeout=PING_S), "GET", "/ping")
            status, _, data = self.pass_on(member, path)
            if status != 200:
                raise ValueError(f"{member['NodeName']}: {status} {data!r}")
            listed = json.loads(data)
            for each in (listed["Volumes"] if volumes else listed) or ():
                joined.append({**each, "Portainer": {"Agent": {"NodeName": member["NodeName"]}}})
        data = json.dumps({"Volumes": joined} if volumes else joined).encode()
        return 200, [("Content-Type", "application/json")], data

    def log_message(self, *_):
        pass


def console(exec_id, typed):
    """As the agent's console: a request without a host, whose answer is a 101 with a head that comes by itself, since the agent
    forgets what it read with that. The answer is all that was said."""
    body = b'{"Tty":true,"Detach":false}'
    with unix_socket() as opened:
        opened.sendall(f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: \r\nContent-Type: application/json\r\nConnection: Upgrade\r\n"
                       f"Upgrade: tcp\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = b""
        while b"\r\n\r\n" not in head:
            got = opened.recv(4096)
            if not got:
                raise OSError(f"the answer ends in its head: {head!r}")
            head += got
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ValueError(f"no upgrade: {head!r}")
        opened.sendall(typed)
        return 200, [("Content-Type", "application/octet-stream")], opened.makefile("rb").read()


def main():
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    begin()
    print(json.dumps(me), flush=True)
    for server in (socketserver.ThreadingTCPServer(("", GOSSIP_PORT), Told), socketserver.ThreadingUDPServer(("", GOSSIP_PORT), Echo)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=gossip, daemon=True).start()
    http.server.ThreadingHTTPServer(("", API_PORT), Api).serve_forever()


if __name__ == "__main__":
    sys.exit(main())
