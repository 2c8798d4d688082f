//! Stops and removes containers that no task wants any more.

use gam_core::agent::{Action, Seen, Sight, retire};

use super::context::{Context, Pause};

/// Failures after which a container is left to the next list, which is due within half a minute.
const MAX_FAILURES: u32 = 8;

/// Stops a container with its grace period and removes it with its anonymous volumes. Returns when it is gone, or
/// after [`MAX_FAILURES`].
pub(super) async fn sweep(context: &Context, container: &str, grace_s: Option<u64>) {
    let engine = &context.engine;
    let mut sight = Sight::default();
    let mut pause = Pause::default();
    let mut failures = 0;
    loop {
        let done = match retire(&sight) {
            Action::Done => return,
            Action::Look => engine.inspect_container(container).await.map(|found| match found {
                Some(found) => Seen::Present(found.into_container()),
                None => Seen::Absent,
            }),
            Action::Stop => engine.stop_container(container, grace_s).await.map(|()| Seen::Unknown),
            _ => engine.remove_container(container).await.map(|()| Seen::Absent),
        };
        match done {
            Ok(seen) => sight.container = seen,
            Err(error) if error.is_not_found() => return,
            Err(error) => {
                failures += 1;
                if failures == MAX_FAILURES {
                    tracing::warn!(container, %error, "cannot remove a container for now");
                    return;
                }
                sight.container = Seen::Unknown;
                context.pause(&mut pause).await;
            }
        }
    }
}
