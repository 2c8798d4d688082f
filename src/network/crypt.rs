//! The tunnel to the other nodes on encrypted networks: WireGuard, the kernel's ([`kernel`]) or, where it has none, in this process
//! ([`userspace`]).
//!
//! What it should be is decided by [`gam_core::crypt`]; this makes it so, before the VXLAN devices that run over it are made, and
//! keeps it so. [`super::overlay`] calls it.

mod kernel;
mod keys;
mod link;
mod peers;
mod userspace;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use gam_core::crypt::{Crypt, DEVICE, Key, print_key};
use tokio::sync::watch;

use super::interfaces::Interface;
use kernel::Kernel;
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
    /// The kernel's WireGuard does not do as it is told.
    #[error("the kernel's WireGuard refuses its keys or peers")]
    Kernel(#[source] io::Error),
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
    fn turn(&self, said: Option<Key>) -> Result<Pair, CryptError> {
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

/// This node's end of the tunnel, while there is one. One in this process is gone when this is dropped, the kernel's stays.
#[derive(Default)]
pub struct Tunnel {
    device: Option<Device>,
    /// What it was made, and under which key.
    made: Option<(Crypt, Key)>,
}

enum Device {
    Userspace(Userspace),
    Kernel(Kernel),
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
        let Some(wanted) = wanted else { return self.end(interfaces).await };
        let own = identity.turn(wanted.key)?;
        self.drop_unless_good(wanted.port).await?;
        let is_new = self.device.is_none();
        let device = match &mut self.device {
            Some(device) => device,
            none => none.insert(Device::open(&own, wanted.port).await?),
        };
        let is_resized = self.made.as_ref().is_none_or(|(made, _)| made.mtu != wanted.mtu);
        if is_new || is_resized || !link::is_settled(interfaces, wanted.mtu, wanted.address) {
            link::settle(wanted.mtu, wanted.address).await?;
        }
        let make = (wanted.clone(), own.public);
        if self.made.as_ref() != Some(&make) {
            self.made = None;
            device.set(&own, wanted).await?;
            self.made = Some(make);
        }
        Ok(())
    }

    /// Removes the tunnel, also one that the kernel has from an earlier run.
    async fn end(&mut self, interfaces: &[Interface]) -> Result<(), CryptError> {
        let is_there = self.device.is_some() || interfaces.iter().any(|interface| interface.name == DEVICE);
        *self = Tunnel::default();
        if is_there {
            link::remove().await?;
        }
        Ok(())
    }

    /// Somebody may have removed the device.
    async fn drop_unless_good(&mut self, port: u16) -> Result<(), CryptError> {
        let is_good = match &self.device {
            Some(Device::Userspace(device)) => device.port == port && device.is_alive(),
            Some(Device::Kernel(device)) => device.port == port && link::is_there().await?,
            None => false,
        };
        if !is_good {
            *self = Tunnel::default();
        }
        Ok(())
    }
}

impl Device {
    async fn open(own: &Pair, port: u16) -> Result<Device, CryptError> {
        if let Some(kernel) = Kernel::open(port).await? {
            return Ok(Device::Kernel(kernel));
        }
        let opened = Userspace::open(own, port);
        opened.map(Device::Userspace).map_err(|error| CryptError::Open { port, error })
    }

    async fn set(&mut self, own: &Pair, wanted: &Crypt) -> Result<(), CryptError> {
        match self {
            Device::Userspace(device) => device.set(own, &wanted.peers),
            Device::Kernel(device) => device.set(own, &wanted.peers).await.map_err(CryptError::Kernel)?,
        }
        Ok(())
    }
}

/// Removes the tunnel of a node that left its swarm.
pub async fn clear() {
    if let Err(error) = link::remove().await {
        tracing::warn!(%error, "the device for encrypted networks is left behind");
    }
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}
