//! A task's mounts: what Docker refuses, and which bind mounts deliver Gam's socket.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use super::SpecError;
use crate::model::Mount;

/// Where programs look for the engine's socket.
const ENGINE_SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// Refuses what `moby: daemon/cluster/executor/container/validate.go` refuses, in its words.
pub(super) fn validate(mounts: &[Mount]) -> Result<(), SpecError> {
    for mount in mounts {
        let refuse = |text: &str, subject: &str| Err(SpecError(format!("{text}: {subject}")));
        if !mount.target.starts_with('/') && mount.r#type != "npipe" {
            return refuse("invalid mount target, must be an absolute path", &mount.target);
        }
        match mount.r#type.as_str() {
            "bind" if !mount.source.starts_with('/') => {
                return refuse("invalid bind mount source, must be an absolute path", &mount.source);
            }
            "volume" if mount.source.starts_with('/') => {
                return refuse("invalid volume mount source, must not be an absolute path", &mount.source);
            }
            "tmpfs" if !mount.source.is_empty() => {
                return Err(SpecError("invalid tmpfs source, source must be empty".into()));
            }
            "npipe" if mount.source.is_empty() => {
                return Err(SpecError("invalid npipe source, source must not be empty".into()));
            }
            "bind" | "volume" | "tmpfs" | "npipe" | "cluster" => {}
            other => return refuse("invalid mount type", other),
        }
    }
    Ok(())
}

/// `HostConfig.Mounts`: Docker spells a service's mounts and a container's the same.
///
/// Where a volume has options, their maps are there even if they are empty, as Docker's swarm mode makes them: the
/// engine keeps them with the volume and shows them as `{}`, and not as `null`.
pub(super) fn render(mounts: &[Mount], socket: Option<&Path>) -> Vec<Value> {
    let render = |mount: &Mount| {
        let mut mount = mount.clone();
        if let Some(socket) = socket
            && mount.r#type == "bind"
            && is_engine_socket(&mount.source)
        {
            mount.source = socket.to_string_lossy().into_owned();
            // Whoever makes a missing socket makes a folder.
            mount.bind_options.iter_mut().for_each(|options| options.create_mountpoint = false);
        }
        // Docker drops it on the way to the engine.
        mount.consistency.clear();
        let mut mount = json!(mount);
        if let Some(options) = mount.get_mut("VolumeOptions").and_then(Value::as_object_mut) {
            options.entry("Labels").or_insert_with(|| json!({}));
            if let Some(driver) = options.get_mut("DriverConfig").and_then(Value::as_object_mut) {
                driver.entry("Options").or_insert_with(|| json!({}));
            }
        }
        mount
    };
    mounts.iter().map(render).collect()
}

/// Whether the source of a bind mount is the engine's socket, however it is spelled: compared is the clean path, as in
/// the engine, so `//var/run/docker.sock`, which Docker Desktop's users write, is one.
pub fn is_engine_socket(source: &str) -> bool {
    let source = Path::new(source);
    let mut clean = PathBuf::new();
    for part in source.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    source.is_absolute() && ENGINE_SOCKETS.iter().any(|path| clean == Path::new(path))
}
