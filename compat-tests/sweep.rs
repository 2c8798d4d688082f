//! Between two cases: leaves the swarm, removes what the case made for itself, and reports what should have gone by
//! itself and did not. Such a leftover fails the case; for Gam that is a test of its own: tasks, backing networks
//! and links must go with the swarm. Called by `case` after every case.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use crate::target::Site;

/// Containers that ignore SIGTERM take 10 s of grace when a swarm ends; half as much again is a leftover.
const SWEEP_LIMIT: Duration = Duration::from_secs(15);
/// Short against the sweep, long against one look.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Networks that every dockerd has.
const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];
/// Made by the first `swarm init` and kept by the reference when it leaves; every case shall start without it.
const GATEWAY_BRIDGE: &str = "docker_gwbridge";

/// Cleans the first `hosts` hosts and returns what was left over, a sentence each.
///
/// # Errors
/// When a host cannot be cleaned at all; the lab must be rebuilt.
pub fn sweep(site: &mut Site, hosts: usize) -> Result<Vec<String>> {
    let mut leftovers = Vec::new();
    for k in (1..=hosts).rev() {
        site.mend(k)?;
        if site.ask(k, "GET", "/_ping").is_err() {
            leftovers.push(format!("host {k}: {} does not run at the end of the case", site.target.name()));
            site.start(k)?;
        }
        let (status, answer) = site.ask(k, "POST", "/swarm/leave?force=1")?;
        if status != 200 && !answer["message"].as_str().is_some_and(|m| m.contains("not part of a swarm")) {
            leftovers.push(format!("host {k}: swarm leave --force answered {status}: {}", answer["message"]));
        }
    }
    for k in (1..=hosts).rev() {
        leftovers.extend(swarm_leftovers(site, k)?);
        remove_own(site, k)?;
        leftovers.extend(engine_leftovers(site, k)?);
    }
    Ok(leftovers)
}

/// What the swarm had and should have taken with it.
fn swarm_leftovers(site: &Site, k: usize) -> Result<Vec<String>> {
    wait_for_none(|| {
        let mut left = Vec::new();
        let (_, tasks) = site.ask_engine(
            k,
            "GET",
            "/containers/json?all=1&filters=%7B%22label%22:%5B%22com.docker.swarm.task.id%22%5D%7D",
        )?;
        left.extend(items(&tasks).map(|task| format!("host {k}: the task's container {} is left", task["Names"][0])));
        let (_, networks) = site.ask(k, "GET", "/networks")?;
        let swarm = items(&networks).filter(|network| network["Scope"] == "swarm");
        left.extend(swarm.map(|network| format!("host {k}: the swarm's network {} is left", network["Name"])));
        let (_, info) = site.ask(k, "GET", "/info")?;
        if info["Swarm"]["LocalNodeState"] != "inactive" {
            left.push(format!("host {k}: after leaving, the node is {}", info["Swarm"]["LocalNodeState"]));
        }
        Ok(left)
    })
}

/// Containers, volumes, and those networks that the target shows as the user's own: the case's to make, ours to remove.
fn remove_own(site: &Site, k: usize) -> Result<()> {
    let (_, containers) = site.ask_engine(k, "GET", "/containers/json?all=1")?;
    for id in items(&containers).filter_map(|c| c["Id"].as_str()) {
        site.ask_engine(k, "DELETE", &format!("/containers/{id}?force=1&v=1"))?;
    }
    let (_, networks) = site.ask(k, "GET", "/networks")?;
    for network in items(&networks).filter(|network| !is_predefined(network)) {
        site.ask_engine(k, "DELETE", &format!("/networks/{}", network["Id"].as_str().unwrap_or_default()))?;
    }
    let (_, volumes) = site.ask_engine(k, "GET", "/volumes")?;
    for name in items(&volumes["Volumes"]).filter_map(|volume| volume["Name"].as_str()) {
        site.ask_engine(k, "DELETE", &format!("/volumes/{name}?force=1"))?;
    }
    let images = site.baseline_of(k)?.images;
    let base = &site.baseline[k - 1].images;
    for image in images.iter().filter(|image| !base.contains(image)) {
        site.ask_engine(k, "DELETE", &format!("/images/{image}?force=1"))?;
    }
    if base.iter().any(|image| !images.contains(image)) {
        site.lab.call(&["images", &k.to_string()])?;
    }
    Ok(())
}

/// What dockerd and the kernel still have when nothing that the user could see is left: hidden networks and links.
fn engine_leftovers(site: &Site, k: usize) -> Result<Vec<String>> {
    let left = wait_for_none(|| {
        let (_, networks) = site.ask_engine(k, "GET", "/networks")?;
        let hidden = items(&networks).filter(|network| !is_predefined(network));
        let mut left: Vec<String> =
            hidden.map(|network| format!("host {k}: dockerd still has the network {}", network["Name"])).collect();
        let links = site.baseline_of(k)?.links;
        let base = &site.baseline[k - 1].links;
        let new = links.iter().filter(|link| !base.contains(link) && *link != GATEWAY_BRIDGE);
        left.extend(new.map(|link| format!("host {k}: the link {link} is left")));
        Ok(left)
    })?;
    let (_, networks) = site.ask_engine(k, "GET", "/networks")?;
    for network in items(&networks).filter(|network| !is_predefined(network)) {
        site.ask_engine(k, "DELETE", &format!("/networks/{}", network["Id"].as_str().unwrap_or_default()))?;
    }
    Ok(left)
}

fn is_predefined(network: &Value) -> bool {
    network["Name"].as_str().is_some_and(|name| PREDEFINED.contains(&name))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Looks until nothing is left or the time is over; what is left then.
fn wait_for_none(mut look: impl FnMut() -> Result<Vec<String>>) -> Result<Vec<String>> {
    let end = Instant::now() + SWEEP_LIMIT;
    loop {
        let left = look()?;
        if left.is_empty() || Instant::now() >= end {
            return Ok(left);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
