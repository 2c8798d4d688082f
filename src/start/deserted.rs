//! Containers that dockerd could not start because Gam's socket, which they mount, was not there.
//!
//! dockerd starts before Gam, and tries a container that shall run only once at its own start. Called once, when Gam
//! listens; decides which containers are owed another try, and never touches one that ended for any other reason.

use std::path::Path;

use crate::engine::Engine;
use crate::engine::containers::Ended;

/// Starts them.
pub(super) async fn start(engine: &Engine, socket: &Path) {
    let ended = match engine.ended_mounting(socket).await {
        Ok(ended) => ended,
        Err(error) => {
            tracing::warn!(%error, "cannot look for containers that could not start without gam");
            return;
        }
    };
    for container in ended.iter().filter(|container| is_owed_a_start(container, socket)) {
        match engine.start_container(&container.id).await {
            Ok(()) => tracing::info!(container = container.name, "started; it mounts gam's socket, which was missing"),
            Err(error) => {
                tracing::warn!(container = container.name, %error, "cannot start it, though gam's socket is there")
            }
        }
    }
}

/// A container that shall always run, whose last start failed on this very mount.
fn is_owed_a_start(container: &Ended, socket: &Path) -> bool {
    !matches!(container.restart.as_str(), "" | "no") && container.error.contains(&*socket.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_failed_for_lack_of_the_socket() {
        let socket = Path::new("/run/gam/docker.sock");
        let owed = |restart: &str, error: &str| {
            let container = Ended { id: "c".into(), name: "c".into(), restart: restart.into(), error: error.into() };
            is_owed_a_start(&container, socket)
        };
        let absent = "error mounting \"/run/gam/docker.sock\" to rootfs at \"/var/run/docker.sock\": stat \
                      /run/gam/docker.sock: no such file or directory";
        let folder = "error mounting \"/run/gam/docker.sock\" to rootfs at \"/var/run/docker.sock\": not a directory";
        assert!(owed("always", absent) && owed("unless-stopped", folder) && owed("on-failure", absent));
        assert!(!owed("no", absent) && !owed("", absent), "nobody asked for it");
        assert!(!owed("always", ""), "it ended, or was stopped");
        assert!(!owed("always", "exec: \"nope\": executable file not found"));
    }
}
