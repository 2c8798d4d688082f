//! The subnets of a new network: what a user may ask for, and what a network gets that was not asked for.

use std::net::{IpAddr, Ipv4Addr};

use super::spec::not_honoured;
use crate::allocator::ipam::first_gateway;
use crate::allocator::subnet::{self, Subnet};
use crate::error::{Error, Kind};
use crate::model::{IpamConfig, IpamOptions};
use crate::state::State;

/// Checks one network's address configuration, every mistake in it at once (`moby: api/types/network/ipam.go`).
pub(super) fn validate(configs: &[IpamConfig]) -> Result<(), Error> {
    let mistakes: Vec<String> = configs.iter().flat_map(mistakes).collect();
    match mistakes.as_slice() {
        [] => Ok(()),
        [one] => Err(Error::invalid(format!("invalid network config:\n{one}"))),
        several => Err(Error::invalid(format!("invalid network config:\n* {}", several.join("\n* ")))),
    }
}

/// The subnets and gateways of a network that asked for `options`, which were validated.
pub(super) fn allocate(state: &State, options: Option<&IpamOptions>) -> Result<Vec<IpamConfig>, Error> {
    let any = [IpamConfig::default()];
    let configs = options.map_or(&[][..], |options| &options.configs);
    let configs = if configs.is_empty() { &any[..] } else { configs };
    if configs.len() > 1 {
        return Err(not_honoured("more than one subnet in a network"));
    }
    configs.iter().map(|config| allocate_one(state, config)).collect()
}

fn allocate_one(state: &State, config: &IpamConfig) -> Result<IpamConfig, Error> {
    let subnet = match Subnet::parse(&config.subnet) {
        // `0.0.0.0/26` means any subnet of that size; newer engines have it so.
        Some(subnet) if subnet.first() == 0 => {
            let bits = Some(subnet.bits()).filter(|bits| *bits > 0);
            subnet::choose(state, bits).map_err(Error::invalid)?
        }
        Some(subnet) => {
            if subnet::in_use(state).iter().any(|other| other.overlaps(subnet)) {
                // Docker makes such a network, logs this sentence and leaves the tasks in `New` for ever.
                let sentence = "invalid pool request: Pool overlaps with other one on this address space";
                return Err(Error::new(Kind::Forbidden, sentence));
            }
            subnet
        }
        None if config.subnet.is_empty() => subnet::choose(state, None).map_err(Error::invalid)?,
        None => return Err(not_honoured("an IPv6 subnet")),
    };
    let gateway = match config.gateway.parse::<Ipv4Addr>() {
        Ok(gateway) if subnet.is_reserved(gateway.into()) => {
            return Err(Error::new(Kind::Forbidden, format!("Address already in use: gateway {gateway}")));
        }
        Ok(gateway) => Some(gateway),
        Err(_) => first_gateway(subnet, Subnet::parse(&config.range)).map(Ipv4Addr::from),
    };
    Ok(IpamConfig {
        subnet: subnet.to_string(),
        range: config.range.clone(),
        gateway: gateway.map_or_else(String::new, |gateway| gateway.to_string()),
    })
}

/// An address prefix of either family, as the user wrote it.
struct Prefix<'a> {
    text: &'a str,
    address: IpAddr,
}

impl<'a> Prefix<'a> {
    fn parse(text: &'a str) -> Option<Prefix<'a>> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (bits.len() > 1 && bits.starts_with('0')) {
            return None;
        }
        let most: u32 = if address.is_ipv4() { 32 } else { 128 };
        bits.parse().is_ok_and(|bits: u32| bits <= most).then_some(Prefix { text, address })
    }

    fn family(&self) -> u32 {
        if self.address.is_ipv4() { 4 } else { 6 }
    }

    /// `None` for IPv6, which is not served yet.
    fn subnet(&self) -> Option<Subnet> {
        Subnet::parse(self.text)
    }
}

fn mistakes(config: &IpamConfig) -> Vec<String> {
    let Some(subnet) = Prefix::parse(&config.subnet) else {
        return vec![format!("invalid subnet {}: invalid CIDR block notation", config.subnet)];
    };
    // An IPv6 subnet on a network without IPv6 is skipped by dockerd, too; the caller refuses it.
    let Some(canonical) = subnet.subnet() else { return Vec::new() };
    let mut mistakes = Vec::new();
    if canonical.to_string() != subnet.text {
        mistakes.push(format!("invalid subnet {}: it should be {canonical}", subnet.text));
    }
    mistakes.extend(range_mistakes(&config.range, &subnet, canonical));
    if let Some(why) = address_mistake(&config.gateway, &subnet, canonical) {
        mistakes.push(format!("invalid gateway {}: {why}", config.gateway));
    }
    mistakes
}

fn range_mistakes(range: &str, parent: &Prefix<'_>, canonical: Subnet) -> Vec<String> {
    if range.is_empty() {
        return Vec::new();
    }
    let Some(prefix) = Prefix::parse(range) else {
        return vec![format!("invalid ip-range {range}: invalid CIDR block notation")];
    };
    let Some(subnet) = prefix.subnet() else {
        return vec![format!("invalid ip-range {range}: parent subnet is an IPv{} block", parent.family())];
    };
    let mut mistakes = Vec::new();
    if subnet.bits() < canonical.bits() {
        let text = parent.text;
        mistakes.push(format!("invalid ip-range {range}: CIDR block is bigger than its parent subnet {text}"));
    }
    if subnet.to_string() != range {
        mistakes.push(format!("invalid ip-range {range}: it should be {subnet}"));
    }
    if !subnet.overlaps(canonical) {
        mistakes.push(format!("invalid ip-range {range}: parent subnet {} doesn't contain ip-range", parent.text));
    }
    mistakes
}

fn address_mistake(address: &str, parent: &Prefix<'_>, canonical: Subnet) -> Option<String> {
    if address.is_empty() {
        return None;
    }
    match address.parse::<IpAddr>() {
        Err(_) => Some("invalid address".to_owned()),
        Ok(IpAddr::V6(_)) => Some(format!("parent subnet is an IPv{} block", parent.family())),
        Ok(IpAddr::V4(ip)) if !canonical.contains(ip.into()) => {
            Some(format!("parent subnet {} doesn't contain this address", parent.text))
        }
        Ok(_) => None,
    }
}
