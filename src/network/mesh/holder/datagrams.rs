//! Datagrams to a held port: those of one client go to one task, and its answers back.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

use super::{Behind, start};

/// Clients of one port at the same time. Datagrams of further ones are lost, as datagrams may be.
const CLIENTS: usize = 1024;
/// A client that has had no answer for so long is forgotten (moby: `cmd/docker-proxy`, `UDPConnTrackTimeout`).
const SILENCE: Duration = Duration::from_secs(90);
/// The largest datagram.
const DATAGRAM_MAX: usize = 65535;
/// The pause after a failure to receive: the host is out of something.
const PAUSE: Duration = Duration::from_millis(100);

struct Flow {
    behind: SocketAddrV4,
    task: Arc<UdpSocket>,
    answers: AbortHandle,
}

pub(super) async fn serve(socket: UdpSocket, behind: Behind) {
    let socket = Arc::new(socket);
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    // Ends with this task, and its flows with it.
    let mut answers = JoinSet::new();
    let mut bytes = vec![0; DATAGRAM_MAX];
    loop {
        let (length, client) = tokio::select! {
            received = socket.recv_from(&mut bytes) => match received {
                Ok(received) => received,
                Err(error) => {
                    tracing::debug!(%error, "cannot receive from a published port");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            Some(_) = answers.join_next() => {
                flows.retain(|_, flow| !flow.answers.is_finished());
                continue;
            }
        };
        let known = behind.load();
        let is_good = |flow: &Flow| known.contains(&flow.behind) && !flow.answers.is_finished();
        if !flows.get(&client).is_some_and(is_good) {
            if let Some(old) = flows.remove(&client) {
                old.answers.abort();
            }
            if known.is_empty() || flows.len() >= CLIENTS {
                continue;
            }
            let to = known[start(known.len())];
            let Ok(task) = connect(to).await.map(Arc::new) else { continue };
            let answers = answers.spawn(answer(task.clone(), socket.clone(), client));
            flows.insert(client, Flow { behind: to, task, answers });
        }
        if let Some(flow) = flows.get(&client) {
            // A datagram may be lost.
            let _ = flow.task.send(&bytes[..length]).await;
        }
    }
}

async fn connect(task: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(task).await?;
    Ok(socket)
}

/// Brings a task's answers to its client until there are none.
async fn answer(task: Arc<UdpSocket>, socket: Arc<UdpSocket>, client: SocketAddr) {
    let mut bytes = vec![0; DATAGRAM_MAX];
    while let Ok(received) = tokio::time::timeout(SILENCE, task.recv(&mut bytes)).await {
        match received {
            Ok(length) => {
                let _ = socket.send_to(&bytes[..length], client).await;
            }
            // Nobody listens in the task: the client's next datagram asks anew.
            Err(_) => return,
        }
    }
}
