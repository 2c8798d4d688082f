//! The end of a run: is everybody there, and does everything that should run do so exactly once, in the swarm's own words
//! and in containers on the hosts?

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::Hosts;

/// After the last fault: restarts that were put off, adoption, images of a cold dockerd, on a machine that does more than this.
const LIMIT: Duration = Duration::from_secs(180);
/// For so long everything must stay as it should be: what is adopted late, or restarted after a pause, shows within it.
const STEADY: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Waits until `look` finds nothing wrong, and goes on finding nothing for a while. How long the first part took.
///
/// # Errors
/// When it takes too long: what was found last.
fn wait(what: &str, steady: Duration, look: impl Fn() -> Result<Vec<String>>) -> Result<Duration> {
    let begun = Instant::now();
    let mut right_since: Option<Duration> = None;
    loop {
        let wrong = look().unwrap_or_else(|error| vec![format!("{error:#}")]);
        // Right for a moment is wrong: it is said what came then, and the wait begins anew.
        if !wrong.is_empty() && right_since.take().is_some() {
            println!("it was so for a moment: {what}; then: {}", wrong.join("; "));
        }
        let now = begun.elapsed();
        if wrong.is_empty() {
            let since = *right_since.get_or_insert(now);
            if now - since >= steady {
                return Ok(since);
            }
        }
        if now > LIMIT {
            bail!("after {} s still not so: {what}\n  {}", LIMIT.as_secs(), wrong.join("\n  "));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Every manager says that all nodes are ready and all managers reachable, and they agree who leads.
///
/// # Errors
/// When that takes too long.
pub fn members(hosts: &Hosts) -> Result<Duration> {
    wait("every node is ready, for every manager", Duration::ZERO, || {
        let (mut wrong, mut leaders) = (Vec::new(), BTreeSet::new());
        for host in hosts.managers() {
            let nodes = hosts.ask(host, "/nodes")?;
            let count = items(&nodes).count();
            if count != hosts.count() {
                wrong.push(format!("host {host} knows {count} nodes"));
            }
            for node in items(&nodes) {
                let name = text(&node["Description"]["Hostname"]);
                if node["Status"]["State"] != "ready" {
                    wrong.push(format!("to host {host}, {name} is {}", text(&node["Status"]["State"])));
                }
                if node["Spec"]["Role"] == "manager" && node["ManagerStatus"]["Reachability"] != "reachable" {
                    wrong.push(format!("to host {host}, {name} is not reachable"));
                }
                if node["ManagerStatus"]["Leader"] == true {
                    leaders.insert(name.to_owned());
                }
            }
        }
        if leaders.len() != 1 {
            wrong.push(format!("leaders: {leaders:?}"));
        }
        Ok(wrong)
    })
}

/// Every replica runs once: as a task, and as the container of that task on the task's host; and nothing else does.
///
/// # Errors
/// When that takes too long.
pub fn replicas(hosts: &Hosts) -> Result<Duration> {
    wait("every replica runs exactly once", STEADY, || {
        let Some(host) = hosts.managers().next() else { bail!("there is no manager") };
        let services = hosts.ask(host, "/services")?;
        let tasks = hosts.ask(host, "/tasks")?;
        let nodes = hosts.ask(host, "/nodes")?;
        let mut containers = Vec::new();
        for k in 1..=hosts.count() {
            let found = hosts.ask_engine(
                k,
                "/containers/json?all=1&filters=%7B%22label%22:%5B%22com.docker.swarm.task.id%22%5D%7D",
            )?;
            containers.extend(items(&found).map(|container| Container::of(k, container)));
        }
        Ok(compare(&services, &tasks, &nodes, &containers))
    })
}

/// A container of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Container {
    host: usize,
    task: String,
    runs: bool,
}

impl Container {
    fn of(host: usize, container: &Value) -> Container {
        let task = text(&container["Labels"]["com.docker.swarm.task.id"]).to_owned();
        Container { host, task, runs: container["State"] == "running" }
    }
}

/// What is wrong, a sentence each.
fn compare(services: &Value, tasks: &Value, nodes: &Value, containers: &[Container]) -> Vec<String> {
    let mut wrong = Vec::new();
    let host_of: BTreeMap<&str, usize> = items(nodes)
        .filter_map(|node| {
            Some((text(&node["ID"]), text(&node["Description"]["Hostname"]).strip_prefix("host")?.parse().ok()?))
        })
        .collect();
    let wanted = || items(tasks).filter(|task| task["DesiredState"] == "running");
    for service in items(services) {
        let name = text(&service["Spec"]["Name"]);
        let replicas = service["Spec"]["Mode"]["Replicated"]["Replicas"].as_u64().unwrap_or_default();
        let own: Vec<&Value> = wanted().filter(|task| task["ServiceID"] == service["ID"]).collect();
        let slots: BTreeSet<u64> = own.iter().filter_map(|task| task["Slot"].as_u64()).collect();
        if own.len() as u64 != replicas || slots.len() != own.len() {
            wrong.push(format!("{name} has {} tasks in {} slots for {replicas} replicas", own.len(), slots.len()));
        }
    }
    for task in wanted() {
        let (id, state) = (text(&task["ID"]), text(&task["Status"]["State"]));
        if !items(services).any(|service| service["ID"] == task["ServiceID"]) {
            wrong.push(format!("the task {id} is of no service"));
        }
        if state != "running" {
            wrong.push(format!("the task {id} is {state}: {}", text(&task["Status"]["Err"])));
        }
        let at: Vec<usize> = containers.iter().filter(|it| it.task == id && it.runs).map(|it| it.host).collect();
        let host = host_of.get(text(&task["NodeID"])).copied();
        if at.len() != 1 || at.first().copied() != host {
            wrong.push(format!("the task {id} of host {host:?} has containers on the hosts {at:?}"));
        }
    }
    for container in containers {
        let Container { host, task, runs } = container;
        if *runs && !wanted().any(|it| text(&it["ID"]) == task) {
            wrong.push(format!("host {host} runs a container for the task {task}, which nobody wants"));
        }
        if !items(tasks).any(|it| text(&it["ID"]) == task) {
            wrong.push(format!("host {host} keeps a container of the task {task}, which is no more"));
        }
    }
    wrong
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_doubled_a_missing_and_a_stray_container_are_found() {
        let services = json!([{ "ID": "s", "Spec": { "Name": "web", "Mode": { "Replicated": { "Replicas": 2 } } } }]);
        let nodes =
            json!([1, 2].map(|k| json!({ "ID": format!("n{k}"), "Description": { "Hostname": format!("host{k}") } })));
        let task = |id: &str, slot: u64, node: &str| {
            json!({ "ID": id, "ServiceID": "s", "Slot": slot, "NodeID": node, "DesiredState": "running",
                    "Status": { "State": "running" } })
        };
        let container = |host, task: &str| Container { host, task: task.into(), runs: true };
        let tasks = json!([task("a", 1, "n1"), task("b", 2, "n2")]);
        let (a, b) = (container(1, "a"), container(2, "b"));
        let judge = |tasks: &Value, containers: &[Container]| compare(&services, tasks, &nodes, containers);
        assert_eq!(judge(&tasks, &[a.clone(), b.clone()]), Vec::<String>::new());
        assert_eq!(
            judge(&tasks, &[a.clone(), b.clone(), container(1, "b")]),
            ["the task b of host Some(2) has containers on the hosts [2, 1]"]
        );
        assert_eq!(
            judge(&tasks, std::slice::from_ref(&a)),
            ["the task b of host Some(2) has containers on the hosts []"]
        );
        let old = Container { runs: false, ..container(2, "c") };
        assert_eq!(
            judge(&tasks, &[a.clone(), b.clone(), old]),
            ["host 2 keeps a container of the task c, which is no more"]
        );
        let one = json!([task("a", 1, "n1")]);
        assert_eq!(
            judge(&one, &[a, b]),
            [
                "web has 1 tasks in 1 slots for 2 replicas",
                "host 2 runs a container for the task b, which nobody wants",
                "host 2 keeps a container of the task b, which is no more"
            ]
        );
    }
}
