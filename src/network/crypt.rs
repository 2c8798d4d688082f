//! The tunnel to the other nodes on encrypted networks: WireGuard, in this process ([`userspace`]).
//!
//! What it should be is decided by [`gam_core::crypt`]; this makes it so, before the VXLAN devices that run over it are made, and
//! keeps it so. [`super::overlay`] calls it.

mod keys;
mod link;
mod peers;
mod userspace;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use gam_core::crypt::{Crypt, print_key};
use tokio::sync::watch;

use super::interfaces::Interface;
use keys::{Keys, Pair};
use userspace::Userspace;

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum CryptError {
    /// No random numbers for a key.
    #[error("cannot make a key")]
    Key(#[source] io::Error),
    /// The device or its socket cannot be had.
    #[error("encrypted networks need a TUN device and UDP port {port}")]
    Open {
        /// The port.
        port: u16,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The device cannot be made what it should be.
    #[error("the device for encrypted networks cannot be set up")]
    Link(#[from] rtnetlink::Error),
}

/// The keys of this node, and what the managers should know of them.
#[derive(Debug, Default)]
pub struct Identity {
    keys: Mutex<Keys>,
    announced: watch::Sender<String>,
}

impl Identity {
    /// The public key that managers should know; empty while there is none.
    pub fn watch(&self) -> watch::Receiver<String> {
        self.announced.subscribe()
    }

    /// The pair to use, made when it is first asked for; `said` is the public key that managers know.
    fn turn(&self, said: Option<gam_core::crypt::Key>) -> Result<Pair, CryptError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let mut bytes = [0; 32];
            random(&mut bytes).map(|()| bytes)
        };
        let pair = keys.turn(said, Instant::now(), fresh).map_err(CryptError::Key);
        let announced = keys.announced().as_ref().map(print_key).unwrap_or_default();
        self.announced.send_if_modified(|now| std::mem::replace(now, announced.clone()) != announced);
        pair
    }

    /// Makes sure that there is a key, and that managers are told: a node on an encrypted network needs one.
    pub fn announce(&self) -> Result<(), CryptError> {
        self.turn(None).map(drop)
    }

    /// Forgets all keys: the node left its swarm.
    pub fn forget(&self) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Keys::default();
        self.announced.send_replace(String::new());
    }
}

/// This node's end of the tunnel, while there is one.
#[derive(Default)]
pub struct Tunnel {
    device: Option<Userspace>,
    made: Option<(Crypt, gam_core::crypt::Key)>,
}

impl Tunnel {
    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.device.is_some()
    }

    /// Makes the tunnel what it should be. `interfaces` are those of the host at the last look.
    pub async fn keep(
        &mut self,
        wanted: Option<&Crypt>,
        identity: &Identity,
        interfaces: &[Interface],
    ) -> Result<(), CryptError> {
        let Some(wanted) = wanted else {
            *self = Tunnel::default();
            return Ok(());
        };
        let own = identity.turn(wanted.key)?;
        self.device.take_if(|device| !device.is_alive() || device.port != wanted.port);
        let is_new = self.device.is_none();
        if is_new {
            self.made = None;
        }
        let device = match &mut self.device {
            Some(device) => device,
            none => none.insert(open(&own, wanted.port)?),
        };
        let make = (wanted.clone(), own.public);
        let is_resized = self.made.as_ref().is_none_or(|(made, _)| made.mtu != wanted.mtu);
        if is_new || is_resized || !link::is_settled(interfaces, wanted.mtu, wanted.address) {
            link::settle(wanted.mtu, wanted.address).await?;
        }
        if self.made.as_ref() != Some(&make) {
            device.set(&own, &wanted.peers);
            self.made = Some(make);
        }
        Ok(())
    }
}

fn open(own: &Pair, port: u16) -> Result<Userspace, CryptError> {
    Userspace::open(own, port).map_err(|error| CryptError::Open { port, error })
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}
