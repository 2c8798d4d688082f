//! What a whole network needs before anybody can be on it: its subnets with their gateways, and its VXLAN identifier.
//!
//! Called by `control` when a network is made, and by the allocator for one that found no subnet then.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::ipam::{first_gateway, kept_for_others, range_of};
use super::subnet::{self, Subnet};
use crate::error::{Error, Kind};
use crate::model::{IpamConfig, NetworkSpec};
use crate::state::State;

/// The first VXLAN identifier: `ingress` gets 4096, the first network of a user 4097 (libnetwork's `vxlanIDStart`).
const FIRST_VNI: u32 = 4096;
/// The last VXLAN identifier: the field has 24 bits.
const LAST_VNI: u32 = (1 << 24) - 1;
/// The option that asks for certain VXLAN identifiers.
const VNI_LIST: &str = "com.docker.network.driver.overlay.vxlanid_list";
/// Asks for any IPv6 subnet of the usual size.
const ANY_IPV6: &str = "::/0";

/// Why a network has not what it needs.
#[derive(Debug)]
pub enum Refusal {
    /// The pools have no subnet left: it gets one once another network goes, as in Docker.
    Exhausted,
    /// It never will.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Error(error)
    }
}

/// What a network needs whose spec, which was validated, asks for so much. Every network has a subnet of IPv4, which Docker's
/// swarms cannot do without, and one of IPv6 if it was asked for.
pub fn allocate(state: &State, spec: &NetworkSpec) -> Result<(Vec<IpamConfig>, u32), Refusal> {
    let mut configs = spec.ipam_options.as_ref().map(|options| options.configs.clone()).unwrap_or_default();
    let is_ipv4 = |config: &IpamConfig| Subnet::parse(&config.subnet).is_none_or(Subnet::is_ipv4);
    for (subnet, family, is_wanted) in [("", true, true), (ANY_IPV6, false, spec.ipv6_enabled)] {
        if is_wanted && !configs.iter().any(|config| is_ipv4(config) == family) {
            configs.push(IpamConfig { subnet: subnet.to_owned(), ..IpamConfig::default() });
        }
    }
    let mut chosen = Vec::new();
    let ipam: Vec<IpamConfig> =
        configs.iter().map(|config| allocate_one(state, &mut chosen, config)).collect::<Result<_, _>>()?;
    let vni = vni(state, spec, chosen.iter().find(|subnet| subnet.is_ipv4()))?;
    Ok((ipam, vni))
}

fn allocate_one(state: &State, chosen: &mut Vec<Subnet>, config: &IpamConfig) -> Result<IpamConfig, Refusal> {
    let subnet = match Subnet::parse(&config.subnet) {
        // `0.0.0.0/26` means any subnet of that size; newer engines have it so.
        Some(subnet) if subnet.first().is_unspecified() => {
            let bits = Some(subnet.bits()).filter(|bits| *bits > 0);
            let choose = if subnet.is_ipv4() { subnet::choose } else { subnet::choose_ipv6 };
            choose(state, chosen, bits).ok_or(Refusal::Exhausted)?
        }
        Some(subnet) => {
            if subnet::in_use(state).iter().chain(&*chosen).any(|other| other.overlaps(subnet)) {
                // Docker makes such a network, logs this sentence and leaves the tasks in `New` for ever.
                let sentence = "invalid pool request: Pool overlaps with other one on this address space";
                return Err(Error::new(Kind::Forbidden, sentence).into());
            }
            subnet
        }
        None => subnet::choose(state, chosen, None).ok_or(Refusal::Exhausted)?,
    };
    chosen.push(subnet);
    let gateway = match config.gateway.parse::<IpAddr>() {
        Ok(gateway) if subnet.is_reserved(gateway) => {
            return Err(Error::new(Kind::Forbidden, format!("Address already in use: gateway {gateway}")).into());
        }
        Ok(gateway) => Some(gateway),
        Err(_) => first_gateway(subnet, range_of(config, subnet), &kept_for_others(config)),
    };
    Ok(IpamConfig {
        subnet: subnet.to_string(),
        gateway: gateway.map_or_else(String::new, |gateway| gateway.to_string()),
        ..config.clone()
    })
}

fn vni(state: &State, spec: &NetworkSpec, pool: Option<&Subnet>) -> Result<u32, Error> {
    let used: BTreeSet<u32> = state.networks().map(|network| network.vni).collect();
    match wanted_vni(spec)? {
        Some(vni) if used.contains(&vni) => {
            let pool = pool.map_or_else(String::new, Subnet::to_string);
            Err(Error::invalid(format!(
                "could not assign vxlan id {vni} to pool {pool}: requested bit is already allocated"
            )))
        }
        Some(vni) => Ok(vni),
        None => free_vni(&used),
    }
}

/// The VXLAN identifier that the user asked for: the first of the list, for there is one for each subnet and more are left
/// alone (`moby: libnetwork/drivers/overlay/ovmanager`). All of them must be identifiers; Docker makes a network with others
/// and then starts no task on it.
pub fn wanted_vni(spec: &NetworkSpec) -> Result<Option<u32>, Error> {
    let options = spec.driver_configuration.as_ref().map(|driver| &driver.options);
    let Some(list) = options.and_then(|options| options.get(VNI_LIST)) else { return Ok(None) };
    let mut first = None;
    for word in list.split(',') {
        let vni = word.parse().ok().filter(|vni| (1..=LAST_VNI).contains(vni));
        let vni: u32 = vni.ok_or_else(|| Error::invalid(format!("invalid vxlan id value {word:?} passed")))?;
        first = first.or(Some(vni));
    }
    Ok(first)
}

/// The number behind the highest in use, so that one that was just freed is not used at once; the lowest free one
/// when there is none above.
fn free_vni(used: &BTreeSet<u32>) -> Result<u32, Error> {
    let next = used.last().map_or(FIRST_VNI, |last| last.saturating_add(1).max(FIRST_VNI));
    if next <= LAST_VNI {
        return Ok(next);
    }
    let free = (FIRST_VNI..=LAST_VNI).find(|vni| !used.contains(vni));
    free.ok_or_else(|| Error::unavailable("could not obtain vxlan id: no bit available"))
}
