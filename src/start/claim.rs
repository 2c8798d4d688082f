//! One engine, one Gam: two would each take the other's containers and networks for leftovers.
//!
//! A claim is a socket in the kernel's abstract namespace, named by the engine's id: there is no file that could be left
//! behind, and it is free again the moment its holder is dead, however it died. It holds among all that share a network
//! namespace, as the Gams of one host do.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::StartError;

/// Holds the claim as long as it lives.
#[derive(Debug)]
pub(super) struct Claim {
    _socket: UnixDatagram,
}

impl Claim {
    /// Claims an engine.
    pub(super) fn of(engine: &str) -> Result<Claim, StartError> {
        let name = SocketAddr::from_abstract_name(format!("gam/engine/{engine}"))?;
        match UnixDatagram::bind_addr(&name) {
            Ok(socket) => Ok(Claim { _socket: socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(StartError::EngineClaimed),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_gam() {
        let engine = format!("test-{}", std::process::id());
        let claim = Claim::of(&engine).unwrap();
        assert!(matches!(Claim::of(&engine), Err(StartError::EngineClaimed)));
        Claim::of(&format!("{engine}-other")).unwrap();
        drop(claim);
        Claim::of(&engine).unwrap();
    }
}
