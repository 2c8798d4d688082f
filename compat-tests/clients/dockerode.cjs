// Swarm mode through dockerode, whose package ships no tests of its own: each call that it has for swarms, on a manager without
// services. DOCKER_HOST names the socket; prints `passed NAME` per test.
"use strict";
const assert = require("node:assert");
const { setTimeout: pause } = require("node:timers/promises");
const Docker = require("dockerode");

const LIMIT_MS = 60000; // for every condition that is waited for
const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
const spec = (name, replicas) => ({
  Name: name,
  Labels: { suite: "dockerode" },
  TaskTemplate: {
    ContainerSpec: { Image: "busybox:1", Command: ["sh", "-c", "echo hello; exec sleep 100000"], StopSignal: "SIGKILL" },
  },
  Mode: { Replicated: { Replicas: replicas } },
});

async function until(what, condition) {
  for (const end = Date.now() + LIMIT_MS; ; await pause(100)) {
    const found = await condition();
    if (found) return found;
    assert(Date.now() < end, `still not so: ${what}`);
  }
}
const status = (code) => (error) => error.statusCode === code;
const running = async (name) =>
  (await docker.listTasks({ filters: { service: [name], "desired-state": ["running"] } })).filter(
    (task) => task.Status.State === "running",
  );

const tests = {
  async swarmInspectAndUpdate() {
    const swarm = await docker.swarmInspect();
    assert(swarm.JoinTokens.Worker.startsWith("SWMTKN-1-"));
    await docker.swarmUpdate({ version: swarm.Version.Index, ...swarm.Spec, Labels: { a: "b" } });
    assert.strictEqual((await docker.swarmInspect()).Spec.Labels.a, "b");
  },
  async nodes() {
    const [listed] = await docker.listNodes({ filters: { role: ["manager"] } });
    const node = docker.getNode(listed.ID);
    const seen = await node.inspect();
    assert.strictEqual(seen.Status.State, "ready");
    await node.update({ version: seen.Version.Index, ...seen.Spec, Labels: { zone: "a" } });
    assert.strictEqual((await node.inspect()).Spec.Labels.zone, "a");
    await assert.rejects(node.remove(), (error) => error.statusCode >= 400 && /cluster manager/.test(error.message));
    await assert.rejects(docker.getNode("nobody").inspect(), status(404));
  },
  async secrets() {
    const made = await docker.createSecret({ Name: "s", Labels: {}, Data: Buffer.from("word").toString("base64") });
    const secret = docker.getSecret(made.ID || made.id);
    const seen = await secret.inspect();
    assert.strictEqual(seen.Spec.Data, undefined);
    await secret.update({ version: seen.Version.Index, Name: "s", Labels: { a: "b" } });
    assert.strictEqual((await docker.listSecrets({ filters: { label: ["a=b"] } })).length, 1);
    await secret.remove();
    await assert.rejects(secret.inspect(), status(404));
  },
  async configs() {
    const data = Buffer.from("word").toString("base64");
    const made = await docker.createConfig({ Name: "c", Labels: {}, Data: data });
    const config = docker.getConfig(made.ID || made.id);
    const seen = await config.inspect();
    assert.strictEqual(seen.Spec.Data, data);
    await config.update({ version: seen.Version.Index, Name: "c", Labels: { a: "b" }, Data: data });
    assert.strictEqual((await docker.listConfigs()).length, 1);
    await config.remove();
    await assert.rejects(config.inspect(), status(404));
  },
  async networks() {
    const network = await docker.createNetwork({ Name: "n", Driver: "overlay", Attachable: true });
    assert.strictEqual((await network.inspect()).Scope, "swarm");
    assert.strictEqual((await docker.listNetworks({ filters: { name: ["n"], scope: ["swarm"] } })).some((each) => each.Name === "n"), true);
    await network.remove();
    await assert.rejects(network.inspect(), status(404));
  },
  async services() {
    const made = await docker.createService(spec("web", 2));
    const service = docker.getService(made.id || made.ID);
    await until("two tasks run", async () => (await running("web")).length === 2);
    assert.deepStrictEqual((await docker.listServices({ filters: { label: ["suite=dockerode"] } })).map((each) => each.ID), [service.id]);
    await assert.rejects(docker.createService(spec("web", 1)), status(409));
    const seen = await service.inspect();
    await service.update({ version: seen.Version.Index, ...spec("web", 3) });
    await until("three tasks run", async () => (await running("web")).length === 3);
    await assert.rejects(service.update({ version: seen.Version.Index, ...spec("web", 1) }), /out of sequence/);
  },
  async tasksAndLogs() {
    const [listed] = await running("web");
    const task = await docker.getTask(listed.ID).inspect();
    assert.strictEqual((await docker.getContainer(task.Status.ContainerStatus.ContainerID).inspect()).State.Running, true);
    const logs = () => docker.getService("web").logs({ stdout: true, stderr: true, follow: false });
    const text = async () => {
      const got = await logs();
      return typeof got.on === "function" ? Buffer.concat(await got.toArray()).toString() : got.toString();
    };
    await until("the logs are there", async () => (await text()).split("hello").length === 4);
  },
  async removal() {
    await docker.getService("web").remove();
    await assert.rejects(docker.getService("web").inspect(), status(404));
    await until("its containers are gone", async () => (await docker.listContainers({ all: true })).length === 0);
  },
  async leaveAndInit() {
    await assert.rejects(docker.swarmLeave(), status(503));
    await docker.swarmLeave({ force: true });
    await assert.rejects(docker.swarmInspect(), status(503));
    await docker.swarmInit({ ListenAddr: "0.0.0.0:2377", AdvertiseAddr: "127.0.0.1" });
    assert.strictEqual((await docker.listNodes()).length, 1);
  },
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    const outcome = await test().then(() => "passed", (error) => (console.error(name, error), process.exitCode = 1, "failed"));
    console.log(outcome, name);
  }
})();
