//! A node that has lost its managers asks the local link for them again and again.
//!
//! Its cable may have been out, and may be back at any moment: for the first seconds, while the node does not count as gone
//! yet, each tenth of one counts. Later the kernel's own pace will do.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::network::neighbours::Neighbours;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// For so long after the managers were lost; a node that is away for longer counts as gone, at default settings.
const EAGER: Duration = Duration::from_secs(6);

/// Follows a value that says whether this node has lost its managers, who are at `managers` (`host:port`), until it ends.
pub(super) async fn keep_asking<T>(
    mut watched: watch::Receiver<T>,
    is_lost: impl Fn(&T) -> bool,
    managers: impl Fn() -> Vec<String>,
) {
    while watched.wait_for(|now| is_lost(now)).await.is_ok() {
        let until = Instant::now() + EAGER;
        match Neighbours::open() {
            Ok(neighbours) => {
                while Instant::now() < until && is_lost(&watched.borrow_and_update()) {
                    if let Err(error) = neighbours.forget_unanswered(&addresses(&managers())).await {
                        tracing::debug!(%error, "cannot read the neighbours of this host");
                    }
                    // An error, the end, is found again by the waits around this one.
                    let _ = timeout(PAUSE, watched.changed()).await;
                }
            }
            Err(error) => tracing::debug!(%error, "cannot ask for the neighbours of this host"),
        }
        if watched.wait_for(|now| !is_lost(now)).await.is_err() {
            return;
        }
    }
}

/// The hosts among them; names are nothing that a link knows.
fn addresses(managers: &[String]) -> Vec<IpAddr> {
    managers.iter().filter_map(|manager| Some(manager.parse::<SocketAddr>().ok()?.ip())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_asked_for_by_their_addresses() {
        let managers = ["192.0.2.1:2377", "[2001:db8::1]:2377", "manager:2377"].map(str::to_owned);
        assert_eq!(addresses(&managers), [IpAddr::from([192, 0, 2, 1]), "2001:db8::1".parse().unwrap()]);
    }

    #[tokio::test]
    async fn ends_with_what_it_follows_however_it_stands() {
        for lost in [false, true] {
            let (sender, watched) = watch::channel(lost);
            let asking = tokio::spawn(keep_asking(watched, |lost| *lost, Vec::new));
            drop(sender);
            timeout(EAGER * 2, asking).await.expect("it ends").unwrap();
        }
    }
}
