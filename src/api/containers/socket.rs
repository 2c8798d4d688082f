//! A container that mounts the engine's socket gets Gam's, so that what runs in it sees the swarm.

use std::path::Path;

use serde_json::{Map, Value};

use super::attach::{field, key};

/// What people write for the engine's socket.
const SOCKETS: [&str; 3] = ["/var/run/docker.sock", "//var/run/docker.sock", "/run/docker.sock"];

/// Replaces the sources of such mounts in a container's settings; says whether there was one.
pub fn redirect(body: &mut Map<String, Value>, gam: &Path) -> bool {
    let name = key(body, "HostConfig");
    let Some(host) = body.get_mut(&name).and_then(Value::as_object_mut) else { return false };
    let gam = gam.to_string_lossy();
    let mut changed = false;
    let binds = key(host, "Binds");
    for bind in host.get_mut(&binds).and_then(Value::as_array_mut).into_iter().flatten() {
        let Some((source, rest)) = bind.as_str().and_then(|text| text.split_once(':')) else { continue };
        if SOCKETS.contains(&source) {
            *bind = format!("{gam}:{rest}").into();
            changed = true;
        }
    }
    let mounts = key(host, "Mounts");
    for mount in host.get_mut(&mounts).and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(mount) = mount.as_object_mut() else { continue };
        let is_bind = field(mount, "Type").and_then(Value::as_str) == Some("bind");
        let is_socket = field(mount, "Source").and_then(Value::as_str).is_some_and(|source| SOCKETS.contains(&source));
        if is_bind && is_socket {
            let source = key(mount, "Source");
            mount.insert(source, gam.clone().into());
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_engines_socket_is_replaced() {
        let mut body = json!({ "Image": "x", "hostConfig": {
            "Binds": ["/var/run/docker.sock:/a:ro", "//var/run/docker.sock:/b", "/data:/run/docker.sock", "named:/c"],
            "Mounts": [
                { "Type": "bind", "Source": "/run/docker.sock", "Target": "/d", "ReadOnly": true },
                { "Type": "volume", "Source": "/run/docker.sock", "Target": "/e" },
            ],
        }});
        assert!(redirect(body.as_object_mut().unwrap(), Path::new("/run/gam/docker.sock")));
        assert_eq!(
            body["hostConfig"]["Binds"],
            json!(["/run/gam/docker.sock:/a:ro", "/run/gam/docker.sock:/b", "/data:/run/docker.sock", "named:/c"])
        );
        assert_eq!(body["hostConfig"]["Mounts"][0]["Source"], "/run/gam/docker.sock");
        assert_eq!(body["hostConfig"]["Mounts"][1]["Source"], "/run/docker.sock");
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
