"""Replays what Portainer asks in Agent mode: the screens of portainer.py through the agents (agent.py) of a swarm's nodes, and those
that only agents have. Like Portainer's server it is a container on the agents' network that knows the name tasks.agent; each
connection goes to any of the agents.

    ADDRESSES='IP...' portainer_agent.py        the nodes' addresses; prints `passed SCREEN` per screen

On each node HOST there is a container `only-HOST`, and the agents are the one service there is."""

import http.client
import json
import os
import random

import agent
import portainer
from portainer import MANAGED, TIME, call, exact, objects, on, read, ui, until

SERVICE, ALIAS = "portainer_agent", "tasks.agent"
NODES = os.environ.get("ADDRESSES", "").split()
NEGOTIATED = "/v1.45"
BALANCER_S = 10  # for a balancer to be there, once all agents answer


def any_agent():
    return http.client.HTTPConnection(random.choice(agent.lookup(ALIAS)), agent.API_PORT, timeout=portainer.LIMIT_S)


portainer.connect = any_agent
portainer.signed = {"X-PortainerAgent-Signature": "x", "X-PortainerAgent-PublicKey": "x"}


def at(node):
    return {"X-PortainerAgent-Target": node}


def tasks_of(name):
    return [task for task in objects("/tasks") if task["ServiceID"] == ui("GET", "/services/" + name)["ID"]]


def hostnames():
    return {node["ID"]: node["Description"]["Hostname"] for node in objects("/nodes")}


def answered(node, port=agent.API_PORT, path="/ping", headers=None):
    return agent.ask(http.client.HTTPConnection(node, port, timeout=portainer.LIMIT_S), "GET", path, headers=headers or {})


def answering(addresses):
    """Whether there is an agent at each of so many addresses."""
    try:
        return len(addresses) > 0 and all(answered(address)[0] == 204 for address in addresses)
    except OSError:
        return False


def detection():
    """An environment is added: the agents' name resolves, and an agent answers, unsigned too, by itself. The server would be started
    again until that is so."""
    until("each agent answers", lambda: len(found := agent.lookup(ALIAS)) == len(NODES) and answering(found))
    assert sorted(agent.lookup(ALIAS)) == sorted(agent.lookup("tasks." + SERVICE))
    for address in agent.lookup(ALIAS):
        status, headers, _ = answered(address, path="/_ping")
        assert status == 403 and dict(headers)["Portainer-Agent"]
        status, headers, _ = answered(address)
        assert status == 204 and dict(headers)["Portainer-Agent-Platform"] == "1"
    virtual = agent.lookup(SERVICE)
    assert len(virtual) == 1 and virtual == agent.lookup("agent") and virtual[0] not in agent.lookup(ALIAS)


def balanced():
    """The service's own address, as Portainer uses it with `-H tcp://agent:9001`. dockerd's needs IPVS of the kernel."""
    until("an agent answers at the service's address", lambda: answering(agent.lookup(SERVICE)), BALANCER_S)


def published():
    """The agents' port on every node, as Portainer uses it from outside. dockerd's needs IPVS of the kernel."""
    until("the port is open on every node", lambda: answering(NODES), BALANCER_S)


def agents():
    """Each agent knows all of them: they have met over TCP and UDP. Who they are is what the swarm says."""
    def known(address):
        return json.loads(answered(address, path="/v2/agents", headers=portainer.signed)[2])

    found = agent.lookup(ALIAS)
    until("each agent knows all", lambda: all(len(known(address)) == len(NODES) for address in found))
    nodes = objects("/nodes")
    wanted = sorted((node["Description"]["Hostname"], node["Spec"]["Role"], node.get("ManagerStatus", {}).get("Leader", False))
                    for node in nodes)
    for address in found:
        assert sorted((each["NodeName"], each["NodeRole"], each["Leader"]) for each in known(address)) == wanted
        assert sorted(each["IPAddress"] for each in known(address)) == sorted(found)


def start():
    """Each agent got through its start at the first attempt, with its node's socket, and is the container of its task."""
    tasks, names = tasks_of(SERVICE), hostnames()
    assert sorted(names[task["NodeID"]] for task in tasks) == sorted(names.values()), tasks
    known = {each["NodeName"]: each["Container"] for each in call("GET", "/v2/agents")}
    for task in tasks:
        assert task["Status"]["State"] == task["DesiredState"] == "running", task
        container, node = task["Status"]["ContainerStatus"]["ContainerID"], names[task["NodeID"]]
        assert known[node] == container
        own = ui("GET", f"/containers/{container}/json", headers=at(node))
        assert own["Name"] == f"/{SERVICE}.{task['NodeID']}.{task['ID']}" and own["Config"]["Hostname"] == container[:12]
        labels = {"": "", ".id": task["ID"], ".name": own["Name"][1:]}
        labels = {f"com.docker.swarm.task{name}": value for name, value in labels.items()}
        labels |= {"com.docker.swarm.node.id": task["NodeID"], "com.docker.swarm.service.id": task["ServiceID"],
                   "com.docker.swarm.service.name": SERVICE, "com.docker.stack.namespace": "portainer"}
        assert labels.items() <= own["Config"]["Labels"].items(), own["Config"]["Labels"]
        assert not [each for each in read(own, "Config.Env", list) if each.startswith(("DOCKER_HOST=", "PODMAN=", "KUBERNETES_"))]
        assert any(mount["Destination"] == agent.SOCKET for mount in own["Mounts"])
        attached = own["NetworkSettings"]["Networks"]
        assert "portainer_agent_network" in attached and all(each["IPAddress"] for each in attached.values()), attached


def nodes_apart():
    """What goes to a node is answered by that node's Docker, in each form of the path, whichever agent is asked."""
    for node in objects("/nodes"):
        name = node["Description"]["Hostname"]
        for prefix in ("", "/v1.41", NEGOTIATED):
            for _ in NODES:
                call("HEAD", prefix + "/_ping", headers=at(name))
                assert read(call("GET", prefix + "/version", headers=at(name)), "ApiVersion", str)
                mine = call("GET", f"{prefix}/containers/only-{name}/json", headers=at(name))
                assert mine["Config"]["Image"] == "busybox:1" and mine["State"]["Running"]
        for other in objects("/nodes"):
            if other["ID"] != node["ID"]:
                refused = ui("GET", f"/containers/only-{name}/json", headers=at(other["Description"]["Hostname"]), expect=(404,))
                assert "No such container" in refused["message"], refused


def containers():
    """The list of all nodes' containers: each is listed once, as its own node's, in each form of the path."""
    names = hostnames()
    tasks = {task["Status"]["ContainerStatus"]["ContainerID"]: names[task["NodeID"]] for task in objects("/tasks")}
    for prefix in ("", "/v1.41", NEGOTIATED):
        listed = call("GET", prefix + "/containers/json?all=true")
        exact(listed)
        assert len({each["Id"] for each in listed}) == len(listed)
        whose = {each["Id"]: each["Portainer"]["Agent"]["NodeName"] for each in listed}
        assert {each: whose.get(each) for each in tasks} == tasks
        plain = {each["Names"][0]: whose[each["Id"]] for each in listed if each["Names"][0].startswith("/only-")}
        assert plain == {f"/only-{name}": name for name in names.values()}
    known = {(row["Portainer"]["Agent"]["NodeName"], row["Id"]) for row in objects("/networks")}
    for each in listed:
        for network in read(each, "NetworkSettings.Networks", dict).values():
            assert (whose[each["Id"]], network["NetworkID"]) in known, each
    # The list of one node: only its own agent answers with that, and any other with all.
    known = {each["NodeName"]: each["IPAddress"] for each in call("GET", "/v2/agents")}
    for node, address in known.items():
        status, _, data = answered(address, path="/containers/json?all=true", headers={**portainer.signed, **at(node)})
        own = {each["Id"] for each in json.loads(data)}
        assert status == 200 and own == {each for each, name in whose.items() if name == node}, node


def snapshot():
    """The server's own job and its dashboard, with the version that it agreed on: the swarm by a manager, the lists of all nodes, and
    each running container's page by whichever agent is asked, which may not know it."""
    for _ in NODES:  # other agents are asked each time
        call("HEAD", "/_ping", headers={})
        info = call("GET", NEGOTIATED + "/info")
        assert info["Swarm"]["ControlAvailable"] is True
        cpus = [read(node, "Description.Resources.NanoCPUs", int) for node in call("GET", NEGOTIATED + "/nodes")]
        assert len(cpus) == len(NODES) and all(each // 10**9 == info["NCPU"] for each in cpus)
        stacks = {read(service, "Spec.Labels", dict).get("com.docker.stack.namespace")
                  for service in call("GET", NEGOTIATED + "/services")}
        assert "portainer" in stacks
        for container in call("GET", NEGOTIATED + "/containers/json?all=1"):
            assert read(container, "State", str) and isinstance(container["Labels"], dict)
            shown = call("GET", NEGOTIATED + f"/containers/{container['Id']}/json", expect=(200, 404))
            assert shown.get("Id") == container["Id"] or "No such container" in shown["message"], shown
        for path in ("/images/json", "/networks", "/volumes"):
            listed = call("GET", NEGOTIATED + path)
            listed = listed["Volumes"] if path == "/volumes" else listed
            assert path == "/volumes" or {each["Portainer"]["Agent"]["NodeName"] for each in listed} == {*hostnames().values()}


def network_groups():
    """The list of networks puts those of the swarm together by their ids: one id on all nodes, and what it says is the same."""
    rows = [row for row in objects("/networks") if row["Scope"] == "swarm"]
    for name, ingress in (("portainer_agent_network", False), ("ingress", True)):
        mine = [row for row in rows if row["Name"] == name]
        assert {row["Portainer"]["Agent"]["NodeName"] for row in mine} == {*hostnames().values()}, mine
        assert len({row["Id"] for row in mine}) == 1
        for row in mine:
            shown = ui("GET", "/networks/" + row["Id"], headers=on(row))
            assert (shown["Scope"], shown["Driver"], shown["Ingress"]) == ("swarm", "overlay", ingress)
            assert read(shown, "IPAM.Config", list)[0]["Subnet"] == mine[0]["IPAM"]["Config"][0]["Subnet"]


def network_page():
    """The page of the agents' network on each node, with that node's containers on it."""
    own = next(row for row in objects("/networks") if row["Name"] == "portainer_agent_network")
    for node, name in hostnames().items():
        shown = ui("GET", "/networks/" + own["Id"], headers=at(name))
        task = next(task for task in tasks_of(SERVICE) if task["NodeID"] == node)
        assert task["Status"]["ContainerStatus"]["ContainerID"] in read(shown, "Containers", dict), shown
    listed = ui("GET", "/containers/json?all=true&" + portainer.filtered(network=[own["Id"]]))
    wanted = {task["Status"]["ContainerStatus"]["ContainerID"] for task in tasks_of(SERVICE)}
    assert wanted <= {each["Id"] for each in listed}
    assert not [each for each in listed if each["Names"][0].startswith("/only-")]


def attached(name):
    shown = ui("GET", f"/containers/only-{name}/json", headers=at(name))
    return {each["NetworkID"]: each["IPAddress"] for each in shown["NetworkSettings"]["Networks"].values()}


def join_and_leave():
    """A container's page on each node: it joins the agents' network, by the network's id, shows it, and leaves it."""
    network = next(row for row in objects("/networks") if row["Name"] == "portainer_agent_network")["Id"]
    for name in hostnames().values():
        body = {"Container": "only-" + name}
        ui("POST", f"/networks/{network}/connect", body, headers=at(name), expect=(200,))
        assert attached(name).get(network), attached(name)
        ui("POST", f"/networks/{network}/disconnect", {**body, "Force": False}, headers=at(name), expect=(200,))
        assert network not in attached(name), attached(name)


def tasks_run_where_listed():
    """The replayed service's containers: each task's is on its node, and its page there is of that task."""
    names = hostnames()
    tasks = [task for task in tasks_of(MANAGED) if task["DesiredState"] == "running"]
    assert len(tasks) == 3
    for task in tasks:
        container = task["Status"]["ContainerStatus"]["ContainerID"]
        shown = ui("GET", f"/containers/{container}/json", headers=at(names[task["NodeID"]]))
        assert shown["Config"]["Labels"]["com.docker.swarm.task.id"] == task["ID"] and TIME.match(shown["Created"])
        assert MANAGED in shown["NetworkSettings"]["Networks"]


def console():
    """A console in a task's container, and in a plain one, on each node."""
    names = hostnames()
    places = [(f"only-{name}", name) for name in names.values()]
    places += [(task["Status"]["ContainerStatus"]["ContainerID"], names[task["NodeID"]]) for task in tasks_of(MANAGED)
               if task["DesiredState"] == "running"]
    for container, node in places:
        body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": True, "User": "", "Cmd": ["sh"]}
        made = ui("POST", f"/containers/{container}/exec", body, headers=at(node), expect=(201,))
        assert int(read(made, "Id", str), 16)
        connection = any_agent()
        status, _, data = agent.ask(connection, "POST", "/websocket/exec?id=" + made["Id"], b"echo $((6*7))on; exit\n",
                                    {**portainer.signed, **at(node)})
        assert status == 200 and b"BusyBox" in data and b"/ # " in data and b"\n42on" in data, (container, node, data)
        assert ui("GET", f"/exec/{made['Id']}/json", headers=at(node))["ExitCode"] == 0


def undisturbed():
    """After all of it the agents are those of the beginning."""
    start()
    agents()


SCREENS = (
    detection, balanced, published, agents, start, nodes_apart, portainer.entering, snapshot, containers, portainer.nodes,
    network_groups, network_page, join_and_leave, portainer.networks, portainer.values, portainer.create_service,
    portainer.services_page, portainer.scale, portainer.details_page, portainer.stack_page, tasks_run_where_listed, console,
    portainer.rollback, portainer.force_update, portainer.removal, undisturbed)

if __name__ == "__main__":
    portainer.main(SCREENS)
