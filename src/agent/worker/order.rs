//! What a worker waits for at both ends of a task's life: that the container can use its networks before the task counts as
//! running, that nobody is sent to it before it may stop, that what was under way has ended before it does. Each wait is
//! bounded from its first moment, however often news interrupt it.

use std::collections::BTreeSet;
use std::time::Duration;

use gam_core::agent::Seen;
use tokio::time::{Instant, sleep, timeout_at};

use super::Worker;

/// How long a container may take until its networks are usable, on a host where everything starts at once. A task that
/// cannot have it all the same is better than none.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// How long a task is held when nobody says that it may stop: managers say so after 2 s at the latest, and are given time
/// to find a new leader.
const HOLD_MAX: Duration = Duration::from_secs(10);
/// What is on its way when the last one is told arrives within this time.
const DRAIN_MIN: Duration = Duration::from_millis(100);
/// How long connections may go on before the task is told to stop; then it has its grace period. Docker waits these 2 s
/// without looking (moby, `daemon/cluster/executor/container/controller.go`, `defaultGossipConvergeDelay`).
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// Between two looks at the connections.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// When each wait began.
#[derive(Debug, Default)]
pub(super) struct Order {
    settling: Option<Instant>,
    held: Option<Instant>,
    draining: Option<Instant>,
}

impl Worker {
    /// Waits until the container can use its networks.
    pub(super) async fn settle(&mut self) {
        let until = *self.order.settling.get_or_insert_with(Instant::now) + SETTLE_MAX;
        let container = self.container.clone().unwrap_or_default();
        tokio::select! {
            ready = timeout_at(until, self.context.networks.ready(&container)) => {
                if ready.is_err() {
                    tracing::warn!(task = %self.task.id, "a task runs although its networks are not ready");
                }
                self.sight.settled = true;
            }
            () = self.inbox.changed() => {}
        }
    }

    /// Waits until the task may stop.
    pub(super) async fn hold(&mut self) {
        let until = *self.order.held.get_or_insert_with(Instant::now) + HOLD_MAX;
        tokio::select! {
            () = tokio::time::sleep_until(until) => self.sight.unheard = true,
            () = self.inbox.changed() => {}
        }
    }

    /// Waits until the connections to the task have ended.
    pub(super) async fn drain(&mut self) {
        let began = *self.order.draining.get_or_insert_with(Instant::now);
        let pid = match &self.sight.container {
            Seen::Present(container) => container.pid,
            Seen::Unknown | Seen::Absent => 0,
        };
        tokio::select! {
            // Late or not, it is over.
            ended = timeout_at(began + DRAIN_MAX, ended(pid, began)) => {
                tracing::debug!(task = %self.task.id, after = ?began.elapsed(), is_late = ended.is_err(), "connections have ended");
                self.sight.drained = true;
            }
            () = self.inbox.changed() => {}
        }
    }
}

async fn ended(pid: i64, began: Instant) {
    tokio::time::sleep_until(began + DRAIN_MIN).await;
    while is_connected(pid).await {
        sleep(DRAIN_LOOK).await;
    }
}

/// Whether somebody is connected to a container. Where it cannot be read nobody is.
async fn is_connected(pid: i64) -> bool {
    for table in ["tcp", "tcp6"] {
        let text = tokio::fs::read_to_string(format!("/proc/{pid}/net/{table}")).await.unwrap_or_default();
        if incoming(&text) > 0 {
            return true;
        }
    }
    false
}

/// `TCP_ESTABLISHED`, `TCP_SYN_RECV` (the client is just told that it may speak), `TCP_CLOSE_WAIT` (it has said all, and may
/// wait for the answer) and `TCP_LISTEN` (`linux/include/net/tcp_states.h`).
const OPEN: [&str; 3] = ["01", "03", "08"];
const LISTENING: &str = "0A";
/// In these tables the bytes of each word are in the order of the host.
const LOOPBACK_V6: &str = "00000000000000000000000001000000";
/// What stands before an IPv4 address in the table of IPv6.
const MAPPED: &str = "0000000000000000FFFF0000";

/// How many connections from elsewhere a table of sockets has: those to a port that is listened on. What the container has
/// opened itself is not waited for.
fn incoming(table: &str) -> usize {
    let sockets = || {
        table.lines().skip(1).filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (address, port) = words.next()?.split_once(':')?;
            Some((address, port, words.nth(1)?))
        })
    };
    let listening: BTreeSet<&str> =
        sockets().filter(|(_, _, state)| *state == LISTENING).map(|(_, port, _)| port).collect();
    let counts = |(address, port, state): &(&str, &str, &str)| {
        OPEN.contains(state) && !is_loopback(address) && listening.contains(port)
    };
    sockets().filter(counts).count()
}

fn is_loopback(address: &str) -> bool {
    let v4 = address.strip_prefix(MAPPED).unwrap_or(address);
    address == LOOPBACK_V6 || v4.len() == 8 && v4.ends_with("7F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_to_the_container_from_elsewhere_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0301000A:0050 0901000A:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0301000A:A001 0401000A:1538 01 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0100007F:0050 0100007F:A003 01 00000000:00000000 00:00000000 00000000     0        0 4 1
   4: 0301000A:0050 0901000A:A1B5 08 00000000:00000000 00:00000000 00000000     0        0 5 1
   5: 0301000A:0050 0901000A:A1B4 06 00000000:00000000 00:00000000 00000000     0        0 5 1
   6: 0301000A:0050 0901000A:A1B6 03 00000000:00000000 01:00000064 00000000     0        0 0 1
";
        assert_eq!(incoming(table), 3);
        let six = "head
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1 1
   1: 0000000000000000FFFF00000301000A:0050 0000000000000000FFFF00000901000A:A1B2 01 0:0 0:0 0 0 0 2 1
   2: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000100007F:A1B2 01 0:0 0:0 0 0 0 2 1
   3: 00000000000000000000000001000000:0050 00000000000000000000000001000000:A1B2 01 0:0 0:0 0 0 0 2 1
";
        assert_eq!(incoming(six), 1);
        assert_eq!(incoming(""), 0);
        assert_eq!(incoming("head\nnonsense\n 0: x y"), 0);
    }
}
