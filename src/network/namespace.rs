//! The network namespace of a container, and work inside of it.
//!
//! Only a thread can be in a namespace, and a thread of the runtime must never leave its own: each piece of work gets a
//! thread that ends with it. A socket that was made inside stays inside, whoever uses it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace that stays as long as this does.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<File>);

impl PartialEq for Namespace {
    /// Whether it was opened once and is held twice.
    fn eq(&self, other: &Namespace) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Namespace {}

impl Namespace {
    /// The namespace at a path: `/var/run/docker/netns/…` or `/proc/…/ns/net`.
    pub fn open(path: &Path) -> io::Result<Namespace> {
        Ok(Namespace(Arc::new(File::open(path)?)))
    }

    /// Does something inside.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let namespace = self.0.clone();
        std::thread::Builder::new().name("gam-netns".into()).spawn(move || {
            let entered = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
            // Nobody listens if the caller was given up.
            let _ = sender.send(entered.map_err(io::Error::from).and_then(|()| work()));
        })?;
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the work in a network namespace broke off")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_breaks_off_is_an_error() {
        // To enter the namespace that one is in needs no rights that a test would not have as root; without them this
        // is refused, which is an error, too.
        let namespace = Namespace::open(Path::new("/proc/self/ns/net")).unwrap();
        assert!(namespace.run::<()>(|| panic!("on purpose")).await.is_err());
        assert!(Namespace::open(Path::new("/proc/self/ns/none")).is_err());
    }
}
