"""Replays what Portainer's screens ask of a Docker socket (Socket mode: API 1.41, as its UI pins it), in their order and with their
bodies, and checks every field that they read, in the type in which they read it.

    DOCKER_HOST=unix:///... portainer.py        on a manager of a swarm that has no services; prints `passed SCREEN` per screen

In Agent mode portainer_agent.py replays them, and more. Only what the screens do is done here, and no client library helps: a service is scaled as the list page does it, by posting back
what was listed."""

import base64
import http.client
import json
import os
import re
import socket
import sys
import time
import traceback
import urllib.parse

LIMIT_S = 60  # for every condition that is waited for
EXACT = 2**53  # a browser's numbers are doubles
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
MANAGED = "portainer-replay"
MANAGER = {"X-PortainerAgent-ManagerOperation": "1"}  # to a manager's agent; in Socket mode Docker passes over it


class Connection(http.client.HTTPConnection):
    """HTTP over the Unix socket."""

    def __init__(self):
        super().__init__("localhost")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))


connect = Connection  # how an environment is reached, and what every request to it bears
signed = {}


def call(method, path, body=None, headers=None, expect=(200, 201, 204), text=False):
    """One request of the browser as Portainer forwards it; the decoded body of its answer, or its `text`."""
    connection = connect()
    sent = {"Accept-Encoding": "gzip, deflate, br", "Cookie": "portainer_api_key=x", "X-CSRF-Token": "x", **signed, **(headers or {})}
    if body is not None:
        sent["Content-Type"] = "application/json"
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status in expect, f"{method} {path}: {answer.status} {data[:300]!r}"
    assert answer.getheader("Content-Encoding") in (None, "gzip"), f"{method} {path}: compressed"
    if text or answer.getheader("Content-Type", "").split(";")[0] != "application/json":
        return data
    return json.loads(data) if data else None


def ui(method, path, body=None, **more):
    return call(method, "/v1.41" + path, body, **more)


def filtered(**filters):
    """`filters` in the shape of the UI, a list of each."""
    return "filters=" + urllib.parse.quote(json.dumps(filters))


def read(value, path, kind):
    """The field that a screen reads, which has to be there and of this type."""
    at = value
    for step in path.split("."):
        assert isinstance(at, dict) and step in at, f"{path}: no {step} in {str(at)[:300]}"
        at = at[step]
    assert isinstance(at, kind) and not (kind is int and isinstance(at, bool)), f"{path} is {at!r}"
    return at


def exact(value):
    """Every whole number survives a browser."""
    if isinstance(value, dict):
        for each in value.values():
            exact(each)
    elif isinstance(value, list):
        for each in value:
            exact(each)
    elif isinstance(value, int):
        assert abs(value) < EXACT, value


def objects(path):
    """A list as Portainer's server rewrites it: an array, never null, of objects."""
    listed = ui("GET", path)
    assert isinstance(listed, list) and all(isinstance(each, dict) for each in listed), f"{path}: {listed!r}"
    exact(listed)
    return listed


def on(row):
    """The header that sends a request to the node whose agent listed this; in Socket mode there is none."""
    return {"X-PortainerAgent-Target": row["Portainer"]["Agent"]["NodeName"]} if "Portainer" in row else {}


def replayed():
    """The one service of the replay, as listed."""
    return next(service for service in ui("GET", "/services") if service["Spec"]["Name"] == MANAGED)


def until(what, condition, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, f"after {limit_s} s still not so: {what}"
        time.sleep(0.1)
    return found


def entering():
    """Entering an environment: which pages there are."""
    call("GET", "/_ping")
    version = call("GET", "/version")
    assert [int(part) for part in read(version, "ApiVersion", str).split(".")] >= [1, 41]
    assert "podman" not in json.dumps(version["Components"]).lower()
    info = ui("GET", "/info")
    for field, kind in {"ID": str, "Name": str, "NCPU": int, "MemTotal": int, "ServerVersion": str, "OSType": str}.items():
        read(info, field, kind)
    for field in ("Volume", "Network", "Log"):
        read(info, "Plugins." + field, list)
    assert read(info, "Swarm.NodeID", str) and read(info, "Swarm.ControlAvailable", bool)
    assert read(info, "Swarm.LocalNodeState", str) == "active" and read(info, "Swarm.Nodes", int) == len(objects("/nodes"))
    assert ui("GET", "/swarm")["ID"] == read(info, "Swarm.Cluster.ID", str)


def snapshot():
    """The server's own job, with a version that it agreed on, and unversioned."""
    for prefix in ("/v1.45", ""):
        call("HEAD", "/_ping")
        info = call("GET", prefix + "/info")
        assert info["Swarm"]["ControlAvailable"] is True
        call("GET", prefix + "/services")
        cpus = sum(read(node, "Description.Resources.NanoCPUs", int) for node in call("GET", prefix + "/nodes"))
        assert cpus // 10**9 == info["NCPU"]
        for container in call("GET", prefix + "/containers/json?all=1"):
            read(container, "State", str)
            call("GET", prefix + f"/containers/{container['Id']}/json")
        for path in ("/images/json", "/networks", "/version"):
            assert call("GET", prefix + path)
        assert "Volumes" in call("GET", prefix + "/volumes")


def nodes():
    """Swarm overview, and a node's page; then its labels are saved."""
    listed = objects("/nodes")
    for node in listed:
        for field in ("Description.Hostname", "Spec.Role", "Description.Engine.EngineVersion", "Status.Addr", "Status.State",
                      "Spec.Availability", "Description.Platform.OS", "Description.Platform.Architecture"):
            read(node, field, str)
        if node["Spec"]["Role"] == "manager":
            read(node, "ManagerStatus.Addr", str)
        read(node, "Description.Resources.MemoryBytes", int)
        plugins = read(node, "Description.Engine.Plugins", list)
        assert {"Volume", "Network"} <= {plugin["Type"] for plugin in plugins} and all(plugin["Name"] for plugin in plugins)
    leader = next(node for node in listed if node.get("ManagerStatus", {}).get("Leader") is True)
    info = ui("GET", "/info")
    assert {node["ID"]: node["Description"]["Hostname"] for node in listed}[info["Swarm"]["NodeID"]] == info["Name"]
    node = ui("GET", "/nodes/" + leader["ID"])
    spec = {"Availability": "active", "Role": "manager", "Labels": {"zone": "a"}, "Id": node["ID"], "Version": node["Version"]}
    ui("POST", f"/nodes/{node['ID']}/update?version={read(node, 'Version.Index', int)}", spec)
    assert ui("GET", "/nodes/" + node["ID"])["Spec"]["Labels"] == {"zone": "a"}


def networks():
    """The list, the creation of an overlay, its page."""
    body = {"Driver": "overlay", "CheckDuplicate": True, "Internal": False, "Attachable": True, "EnableIPv6": False,
            "IPAM": {"Driver": "default", "Config": []}, "Labels": {}, "Name": MANAGED, "Options": {}}
    made = ui("POST", "/networks/create", body, headers=MANAGER)
    listed = objects("/networks")
    for network in listed:
        for field, kind in {"Id": str, "Name": str, "Scope": str, "Driver": str, "IPAM.Driver": str, "Ingress": bool,
                            "Attachable": bool, "Internal": bool, "Labels": (dict, type(None)),
                            "IPAM.Config": (list, type(None))}.items():
            read(network, field, kind)
    mine = next(network for network in listed if network["Id"] == made["Id"])
    assert (mine["Scope"], mine["Driver"], mine["Ingress"]) == ("swarm", "overlay", False)
    assert ui("GET", "/networks/" + made["Id"], headers=on(mine))["Name"] == MANAGED
    assert ui("GET", "/containers/json?all=true&" + filtered(network=[made["Id"]])) == []


def values():
    """Secrets and configs: made, listed, shown."""
    for kind in ("secrets", "configs"):
        data = base64.b64encode(b"word").decode()
        made = ui("POST", f"/{kind}/create", {"Name": MANAGED, "Data": data, "Labels": {}}, expect=(201,))
        shown = ui("GET", f"/{kind}/{read(made, 'ID', str)}")
        assert TIME.match(read(shown, "CreatedAt", str)) and read(shown, "Spec.Name", str) == MANAGED
        assert shown["Spec"].get("Data") == (data if kind == "configs" else None)
        assert [each["ID"] for each in objects("/" + kind)] == [made["ID"]]


def create_service():
    """The form: what it loads, then a body with nulls and empty objects, the network by its name."""
    for path in ("/volumes", "/networks", "/secrets", "/configs", "/nodes", "/info", "/plugins"):
        ui("GET", path)
    body = {
        "Name": MANAGED,
        "TaskTemplate": {
            "ContainerSpec": {"Mounts": [], "Image": "busybox:1", "Command": ["sleep", "100000"], "StopSignal": "KILL",
                              "Secrets": [], "Configs": [], "Hosts": [], "Env": ["A=b"], "Labels": {}},
            "Placement": {"Constraints": [], "Preferences": []},
            "Resources": {"Limits": {}, "Reservations": {}}, "LogDriver": None,
        },
        "Mode": {"Replicated": {"Replicas": 2}}, "EndpointSpec": {"Ports": [
            {"PublishedPort": 18080, "TargetPort": 80, "Protocol": "tcp", "PublishMode": "ingress"}]},
        "Labels": {"com.docker.stack.namespace": "stack"}, "UpdateConfig": {}, "registryId": 0,
        "Networks": [{"Target": MANAGED}],
    }
    made = ui("POST", "/services/create", body, headers={"version": "1.29"}, expect=(201,))
    until("two tasks run", lambda: len(running()) == 2)
    service = ui("GET", "/services/" + read(made, "ID", str))
    listed = [network["Id"] for network in objects("/networks")]
    targets = [each["Target"] for each in service["Spec"]["TaskTemplate"].get("Networks") or service["Spec"].get("Networks")]
    assert len(targets) == 1 and targets[0] in listed, targets


def running():
    """Tasks that the list page counts as running, by their slot."""
    listed = ui("GET", "/tasks")
    return {task["Slot"]: task["ID"] for task in listed
            if "Slot" in task and task["Status"]["State"] == task["DesiredState"] == "running"}


def services_page():
    """The list of services, and the visualizer: all that they read, and what they join by."""
    services, tasks, members = objects("/services"), objects("/tasks"), objects("/nodes")
    for service in services:
        for field, kind in {"ID": str, "Version.Index": int, "Spec.Name": str, "Spec.Labels": dict, "Spec.Mode": dict,
                            "Spec.TaskTemplate.ContainerSpec.Image": str, "Spec.TaskTemplate.ForceUpdate": int,
                            "Spec.EndpointSpec": dict, "Endpoint.Ports": list}.items():
            read(service, field, kind)
        assert TIME.match(service["CreatedAt"]) and TIME.match(service["UpdatedAt"])
    named = {service["ID"]: service["Spec"]["Name"] for service in services}
    containers = {container["Id"]: container for container in ui("GET", "/containers/json?all=true")}
    for task in tasks:
        for field, kind in {"ID": str, "ServiceID": str, "NodeID": str, "DesiredState": str, "Status.State": str,
                            "Status.Message": str, "Spec.ContainerSpec.Image": str,
                            "Status.ContainerStatus.ContainerID": str}.items():
            read(task, field, kind)
        assert read(task, "Slot", int) if named[task["ServiceID"]] == MANAGED else "Slot" not in task
        assert TIME.match(task["CreatedAt"]) and TIME.match(task["UpdatedAt"])
        assert task["NodeID"] in [node["ID"] for node in members] and task["ServiceID"] in named
        container = containers[task["Status"]["ContainerStatus"]["ContainerID"]]
        assert container["Labels"]["com.docker.swarm.service.id"] == task["ServiceID"]
    return next(service for service in services if service["Spec"]["Name"] == MANAGED)


def scale():
    """The list page's scaling from 2 to 3: one request, with what was listed. No task may be restarted by it."""
    service = services_page()
    before, spec = running(), service["Spec"]
    body = {"Name": spec["Name"], "Labels": spec["Labels"], "TaskTemplate": spec["TaskTemplate"],
            "Mode": {"Replicated": {"Replicas": 3}}, "UpdateConfig": spec.get("UpdateConfig", {}),
            "Networks": spec.get("Networks", []), "EndpointSpec": spec.get("EndpointSpec", {})}
    path = f"/services/{service['ID']}/update?version={service['Version']['Index']}"
    answer = ui("POST", path, body, headers={"version": "1.29"}, expect=(200,))
    assert answer == {"Warnings": None}, answer
    kept(before, "three tasks run", lambda: len(running()) == 3)
    after = ui("GET", "/services/" + service["ID"])
    assert after["Version"]["Index"] > service["Version"]["Index"]
    assert after["Spec"]["Mode"] == {"Replicated": {"Replicas": 3}}
    assert after["Spec"]["TaskTemplate"] == spec["TaskTemplate"]
    stale = ui("POST", path, body, headers={"version": "1.29"}, expect=(500,))
    assert stale["message"] == "rpc error: code = Unknown desc = update out of sequence", stale


def kept(before, what, condition):
    """Waits for a condition; the tasks that ran before are the same then, and no other was made in their slots."""
    until(what, condition)
    after = running()
    assert {slot: after.get(slot) for slot in before} == before, (before, after)
    replaced = [task["ID"] for task in ui("GET", "/tasks") if task.get("Slot") in before and task["ID"] != before[task["Slot"]]]
    assert not replaced, replaced


def details_page():
    """The service's page: what it loads by name, and a save of what it shows, which restarts nothing and keeps the ports."""
    listed = replayed()
    service = ui("GET", "/services/" + listed["ID"])
    tasks = objects("/tasks?" + filtered(service=[MANAGED]))
    assert len(tasks) == 3
    for path in ("/volumes", "/nodes", "/secrets", "/configs", "/images/json", "/info", "/plugins", "/networks"):
        ui("GET", path)
    before, spec, template = running(), service["Spec"], service["Spec"]["TaskTemplate"]
    assert [port["PublishedPort"] for port in service["Endpoint"]["Ports"]] == [18080]
    container = {**template["ContainerSpec"], "Secrets": [], "Configs": [], "Hosts": []}
    body = {"Name": spec["Name"], "Labels": {**spec["Labels"], "edited": "yes"},
            "TaskTemplate": {**template, "ContainerSpec": container, "LogDriver": None,
                             "Placement": {"Constraints": [], "Preferences": []}},
            "Mode": spec["Mode"],
            "UpdateConfig": spec.get("UpdateConfig", {}), "Networks": spec.get("Networks", []),
            "EndpointSpec": {"Mode": spec["EndpointSpec"].get("Mode", "vip"), "Ports": service["Endpoint"]["Ports"]}}
    ui("POST", f"/services/{service['ID']}/update?version={service['Version']['Index']}", body, headers={"version": "1.29"})
    kept(before, "the label is there", lambda: replayed()["Spec"]["Labels"].get("edited") == "yes")
    until("the update is over", lambda: replayed().get("UpdateStatus", {}).get("State", "completed") == "completed")
    kept(before, "three tasks run", lambda: len(running()) == 3)
    assert [port["PublishedPort"] for port in replayed()["Endpoint"]["Ports"]] == [18080]


def stack_page():
    """A stack's services and tasks by the label of the service; a task's page; logs, which end."""
    label = ["com.docker.stack.namespace=stack"]
    assert len(objects("/services?" + filtered(label=label))) == 1
    tasks = objects("/tasks?" + filtered(label=label))
    assert len(tasks) == 3
    task = ui("GET", "/tasks/" + tasks[0]["ID"])
    assert ui("GET", "/services/" + task["ServiceID"])["Spec"]["Name"] == MANAGED
    for path in ("/services/" + task["ServiceID"], "/tasks/" + task["ID"]):
        ui("GET", path + "/logs?stdout=1&stderr=1&tail=100&timestamps=1&since=0")
    now = int(time.time())
    events = ui("GET", f"/events?since={now - 86400}&until={now}", text=True).splitlines()
    assert events and all(json.loads(event)["Type"] for event in events)


def rollback():
    """A rollback has the spec before; the body is only parsed."""
    service = replayed()
    path = f"/services/{service['ID']}/update?version={service['Version']['Index']}&rollback=previous"
    ui("POST", path, service["Spec"], headers={"version": "1.29"})
    until("the label is gone", lambda: "edited" not in replayed()["Spec"]["Labels"])


def force_update():
    """The list page's forced update, which is the server's own: the whole spec with its defaults, and the containers by label, in Go's
    shape of filters. Every task is another one then."""
    path, before = "/v1.45/services/" + replayed()["ID"], running()
    service = call("GET", path + "?insertDefaults=true")
    call("GET", "/v1.45/distribution/busybox:1/json", expect=range(200, 600))  # there is no registry, which the server tolerates
    spec = service["Spec"]
    assert read(spec, "RollbackConfig.Parallelism", int) == 1
    spec["TaskTemplate"]["ForceUpdate"] += 1
    call("POST", f"{path}/update?version={service['Version']['Index']}", spec, expect=(200,))
    until("three others run", lambda: len(now := running()) == 3 and not {*now.values()} & {*before.values()})
    label = {"com.docker.swarm.service.id=" + service["ID"]: True}
    listed = call("GET", "/v1.45/containers/json?all=1&" + filtered(label=label))
    assert {*running().values()} <= {each["Labels"]["com.docker.swarm.task.id"] for each in listed}
    assert {each["Labels"]["com.docker.swarm.service.id"] for each in listed} == {service["ID"]}


def removal():
    """As the removal of a stack: services, values and networks back to back, while containers still stop."""
    ui("DELETE", "/services/" + replayed()["ID"])
    for kind in ("secrets", "configs"):
        ui("DELETE", f"/{kind}/{ui('GET', '/' + kind)[0]['ID']}", expect=(204,))
    network = next(each for each in ui("GET", "/networks") if each["Name"] == MANAGED)
    ui("DELETE", "/networks/" + network["Id"], headers=MANAGER, expect=(204,))
    assert MANAGED not in [service["Spec"]["Name"] for service in ui("GET", "/services")]
    until("the network is gone", lambda: MANAGED not in [each["Name"] for each in ui("GET", "/networks")])


SCREENS = (entering, snapshot, nodes, networks, values, create_service, services_page, scale, details_page, stack_page, rollback,
           force_update, removal)


def main(screens=SCREENS):
    failed = False
    for screen in screens:
        try:
            screen()
            print("passed", screen.__name__, flush=True)
        except Exception:  # whatever it is, the screens after it still say how they are
            traceback.print_exc()
            print("failed", screen.__name__, flush=True)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
