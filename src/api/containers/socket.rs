//! A container that mounts the engine's socket gets Gam's, so that what runs in it sees the swarm.
//!
//! It gets it as a mount of the kind that dockerd never makes a source for: at a start while Gam is down, above all at a
//! boot, a missing source of the other kind becomes a folder, in the very place where Gam is to listen. A container that
//! could not start for that is started later ([`crate::start`]).

use std::path::Path;

use gam_core::container::is_engine_socket;
use serde_json::{Map, Value, json};

use super::attach::{field, key};

/// What a bind may say of its propagation.
const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
/// What a bind may say that means nothing on Linux.
const CONSISTENCIES: [&str; 4] = ["default", "consistent", "cached", "delegated"];

/// Replaces the sources of such mounts in a container's settings; says whether there was one.
pub fn redirect(body: &mut Map<String, Value>, gam: &Path) -> bool {
    let name = key(body, "HostConfig");
    let Some(host) = body.get_mut(&name).and_then(Value::as_object_mut) else { return false };
    let gam = gam.to_string_lossy();
    let mut changed = false;
    let name = key(host, "Mounts");
    for mount in host.get_mut(&name).and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(mount) = mount.as_object_mut() else { continue };
        let is_bind = field(mount, "Type").and_then(Value::as_str) == Some("bind");
        if is_bind && field(mount, "Source").and_then(Value::as_str).is_some_and(is_engine_socket) {
            deliver(mount, &gam);
            changed = true;
        }
    }
    let moved = redirect_binds(host, &gam);
    changed |= moved.is_some();
    let moved = moved.unwrap_or_default();
    if !moved.is_empty() {
        let mounts = host.entry(name).or_insert(Value::Null);
        match mounts {
            Value::Array(mounts) => mounts.extend(moved),
            other => *other = Value::Array(moved),
        }
    }
    changed
}

/// Names the new source, and forbids to make it.
fn deliver(mount: &mut Map<String, Value>, gam: &str) {
    let source = key(mount, "Source");
    mount.insert(source, gam.into());
    let options = key(mount, "BindOptions");
    if let Some(options) = mount.get_mut(&options).and_then(Value::as_object_mut) {
        let create = key(options, "CreateMountpoint");
        options.remove(&create);
    }
}

/// The same for the short form; what must not stay in it comes back as mounts. `None` if nothing is changed.
fn redirect_binds(host: &mut Map<String, Value>, gam: &str) -> Option<Vec<Value>> {
    let mounts = key(host, "Mounts");
    // Whatever else stands there, dockerd will refuse.
    let can_move = host.get(&mounts).is_none_or(|mounts| mounts.is_null() || mounts.is_array());
    let name = key(host, "Binds");
    let binds = host.get_mut(&name)?.as_array_mut()?;
    let mut moved = Vec::new();
    let mut changed = false;
    binds.retain_mut(|bind| {
        let Some((source, rest)) = bind.as_str().and_then(|text| text.split_once(':')) else { return true };
        if !is_engine_socket(source) {
            return true;
        }
        changed = true;
        match mount(gam, rest).filter(|_| can_move) {
            Some(mount) => {
                moved.push(mount);
                false
            }
            None => {
                *bind = format!("{gam}:{rest}").into();
                true
            }
        }
    });
    changed.then_some(moved)
}

/// `target[:options]` as a mount. `None` for what only the short form can say (a label for SELinux) and for what dockerd
/// shall refuse in its own words.
fn mount(gam: &str, rest: &str) -> Option<Value> {
    let (target, options) = rest.split_once(':').unwrap_or((rest, "rw"));
    if !target.starts_with('/') || Path::new(target).components().count() < 2 {
        return None;
    }
    let (mut access, mut propagation, mut consistency) = (None, None, None);
    for option in options.split(',') {
        let slot = match option {
            "ro" | "rw" => &mut access,
            option if PROPAGATIONS.contains(&option) => &mut propagation,
            option if CONSISTENCIES.contains(&option) => &mut consistency,
            _ => return None,
        };
        if slot.replace(option).is_some() {
            return None;
        }
    }
    let mut mount = json!({ "Type": "bind", "Source": gam, "Target": target, "ReadOnly": access == Some("ro") });
    if let Some(propagation) = propagation {
        mount["BindOptions"] = json!({ "Propagation": propagation });
    }
    Some(mount)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_engines_socket_is_replaced() {
        let mut body = json!({ "Image": "x", "hostConfig": {
            "binds": ["/var/run/docker.sock:/a:ro", "/var/run/./docker.sock:/b", "/data:/run/docker.sock", "named:/c"],
            "Mounts": [
                { "Type": "bind", "Source": "/run/../run/docker.sock", "Target": "/d", "BindOptions": {
                    "CreateMountpoint": true, "Propagation": "shared" } },
                { "Type": "volume", "Source": "/run/docker.sock", "Target": "/e" },
            ],
        }});
        assert!(redirect(body.as_object_mut().unwrap(), Path::new("/run/gam/docker.sock")));
        let gam = "/run/gam/docker.sock";
        assert_eq!(body["hostConfig"]["binds"], json!(["/data:/run/docker.sock", "named:/c"]));
        assert_eq!(
            body["hostConfig"]["Mounts"],
            json!([
                { "Type": "bind", "Source": gam, "Target": "/d", "BindOptions": { "Propagation": "shared" } },
                { "Type": "volume", "Source": "/run/docker.sock", "Target": "/e" },
                { "Type": "bind", "Source": gam, "Target": "/a", "ReadOnly": true },
                { "Type": "bind", "Source": gam, "Target": "/b", "ReadOnly": false },
            ])
        );
    }

    #[test]
    fn a_missing_socket_is_never_made_as_a_folder() {
        let moved = |bind: &str| {
            let mut body = json!({ "HostConfig": { "Binds": [bind] } });
            assert!(redirect(body.as_object_mut().unwrap(), Path::new("/g")));
            (body["HostConfig"]["Binds"][0].as_str().map(str::to_owned), body["HostConfig"]["Mounts"][0].clone())
        };
        let (bind, mount) = moved("//var/run/docker.sock:/a:cached,rslave,ro");
        assert_eq!(bind, None);
        assert_eq!(
            mount,
            json!({ "Type": "bind", "Source": "/g", "Target": "/a", "ReadOnly": true,
                "BindOptions": { "Propagation": "rslave" } })
        );
        // What is wrong, and what only this form can say.
        for rest in ["/a:ro,rw", "/a:odd", "/a:", "a", "/", "/a:Z", "/a:ro:ro"] {
            assert_eq!(moved(&format!("/run/docker.sock:{rest}")), (Some(format!("/g:{rest}")), Value::Null));
        }
    }

    #[test]
    fn settings_without_one_stay() {
        for mut body in [json!({}), json!({ "HostConfig": null }), json!({ "HostConfig": { "Binds": ["a:/b", 7] } })] {
            let before = body.clone();
            assert!(!redirect(body.as_object_mut().unwrap(), Path::new("/g")));
            assert_eq!(body, before);
        }
    }
}
