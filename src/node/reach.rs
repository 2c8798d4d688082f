//! A node that has lost its managers asks the local link for them again and again.
//!
//! Its cable may have been out, and may be back at any moment. For the first seconds the node does not count as gone yet, and
//! later its names and balancers say what is no longer so: each tenth of a second counts, and the kernel asks but once a second.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::network::neighbours::Neighbours;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Follows a value that says whether this node has lost its managers, who are at `managers` (`host:port`), until it ends.
pub(super) async fn keep_asking<T>(
    mut watched: watch::Receiver<T>,
    is_lost: impl Fn(&T) -> bool,
    managers: impl Fn() -> Vec<String>,
) {
    while watched.wait_for(|now| is_lost(now)).await.is_ok() {
        match Neighbours::open() {
            Ok(neighbours) => {
                while is_lost(&watched.borrow_and_update()) {
                    if let Err(error) = neighbours.ask_again(&addresses(&managers())).await {
                        tracing::debug!(%error, "cannot read the neighbours of this host");
                    }
                    if let Ok(Err(_)) = timeout(PAUSE, watched.changed()).await {
                        return;
                    }
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
            timeout(Duration::from_secs(10), asking).await.expect("it ends").unwrap();
        }
    }
}
