//! Listening sockets that Gam's parent holds for it, as systemd does for a socket unit (`sd_listen_fds(3)`).
//!
//! Such a socket outlives Gam: a container that mounts it finds the next Gam behind it, and one that dockerd starts at a boot
//! finds it there before Gam runs. Its file, mode and group are the parent's business. `main` takes the sockets over before
//! there is a second thread, `start` hands each to the host of its path.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use tokio::net::UnixListener;

use super::{ListenError, Listener, SocketFile, identity};
use crate::config::Host;

/// The sockets that no host has taken yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<StdListener>);

impl Inherited {
    /// Takes over what the environment announces, and takes that out of the environment: a process with one thread may.
    ///
    /// # Errors
    /// If it is something else than unix sockets that listen.
    pub fn take() -> io::Result<Inherited> {
        let mut announced = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..announced.len() {
            let socket = announced.take_unix_listener(at)?;
            sockets.extend(socket);
        }
        Inherited::of(sockets)
    }

    fn of(sockets: Vec<StdListener>) -> io::Result<Inherited> {
        for socket in &sockets {
            if !socket_acceptconn(socket)? {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a connection, where a listening socket should be",
                ));
            }
        }
        Ok(Inherited(sockets))
    }

    /// The socket of a host, if it is there.
    ///
    /// # Errors
    /// The runtime's, if it has no room for it.
    pub fn claim(&mut self, host: &Host) -> Result<Option<Listener>, ListenError> {
        let Host::Unix(path) = host else { return Ok(None) };
        let Some(at) = self.0.iter().position(|socket| is_at(socket, path)) else { return Ok(None) };
        let socket = self.0.swap_remove(at);
        let failed =
            |source| ListenError::Io { host: host.clone(), what: "cannot use the socket passed to gam", source };
        socket.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(socket).map_err(failed)?;
        Ok(Some(Listener::Unix { listener, file: SocketFile { path: path.clone(), identity: None } }))
    }

    /// After the hosts: refuses a socket on which clients would wait for ever.
    ///
    /// # Errors
    /// If one is left.
    pub fn finish(self) -> Result<(), ListenError> {
        match self.0.first() {
            None => Ok(()),
            Some(socket) => Err(ListenError::Unclaimed(format!("{:?}", socket.local_addr()))),
        }
    }
}

fn is_at(socket: &StdListener, path: &Path) -> bool {
    let Ok(address) = socket.local_addr() else { return false };
    address.as_pathname().is_some_and(|own| own == path || (identity(own).is_some() && identity(own) == identity(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("gam-inherited-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn the_socket_is_the_same_after_a_restart() {
        let folder = Folder::new("same");
        let path = folder.0.join("docker.sock");
        let held = StdListener::bind(&path).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        // What was bind-mounted before the first start reaches the second.
        let mounted = folder.0.join("mounted.sock");
        std::fs::hard_link(&path, &mounted).unwrap();
        for _ in 0..2 {
            let mut inherited = Inherited::of(vec![held.try_clone().unwrap()]).unwrap();
            assert!(inherited.claim(&Host::Unix(folder.0.join("other.sock"))).unwrap().is_none());
            let listener = inherited.claim(&Host::Unix(path.clone())).unwrap().unwrap();
            inherited.finish().unwrap();
            let client = UnixStream::connect(&mounted).unwrap();
            listener.accept().await.unwrap();
            drop((listener, client));
            assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode, "it stays when gam goes");
        }
    }

    #[test]
    fn a_socket_that_no_host_names_is_refused() {
        let folder = Folder::new("unnamed");
        let path = folder.0.join("docker.sock");
        let inherited = Inherited::of(vec![StdListener::bind(&path).unwrap()]).unwrap();
        let refused = inherited.finish().unwrap_err().to_string();
        assert!(refused.contains("docker.sock") && refused.contains("--host"), "{refused}");
    }

    #[test]
    fn a_connection_is_refused() {
        let (one, _other) = UnixStream::pair().unwrap();
        let connection = StdListener::from(std::os::fd::OwnedFd::from(one));
        assert!(Inherited::of(vec![connection]).is_err());
    }
}
