//! The subnets of a new network: what a user may ask for.

use std::net::IpAddr;

use super::spec::not_honoured;
use crate::allocator::subnet::Subnet;
use crate::error::Error;
use crate::model::{IpamConfig, NetworkSpec};

/// Checks a network's address configuration, every mistake in it at once (`moby: api/types/network/ipam.go`).
pub(super) fn validate(configs: &[IpamConfig], with_ipv6: bool) -> Result<(), Error> {
    let mistakes: Vec<String> = configs.iter().flat_map(|config| mistakes(config, with_ipv6)).collect();
    match mistakes.as_slice() {
        [] => Ok(()),
        [one] => Err(Error::invalid(format!("invalid network config:\n{one}"))),
        several => Err(Error::invalid(format!("invalid network config:\n* {}", several.join("\n* ")))),
    }
}

/// Refuses subnets that cannot be had together: a network has one of IPv4, and one of IPv6 if it was asked for.
pub(super) fn refuse_others(spec: &NetworkSpec) -> Result<(), Error> {
    let configs = spec.ipam_options.as_ref().map_or(&[][..], |options| &options.configs);
    let subnets = || configs.iter().filter_map(|config| Subnet::parse(&config.subnet));
    if let Some(subnet) = subnets().find(|subnet| !subnet.is_ipv4() && !spec.ipv6_enabled) {
        // Docker makes such a network, which then gets no subnet and runs no task.
        return Err(Error::invalid(format!("invalid subnet {subnet}: IPv6 is not enabled on the network")));
    }
    for (family, is_ipv4) in [(4, true), (6, false)] {
        if subnets().filter(|subnet| subnet.is_ipv4() == is_ipv4).count() > 1 {
            return Err(not_honoured(&format!("more than one IPv{family} subnet in a network")));
        }
    }
    Ok(())
}

fn family(address: IpAddr) -> u32 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// The address of a prefix, as the user wrote it.
fn base(text: &str) -> Option<IpAddr> {
    text.split_once('/')?.0.parse().ok()
}

fn mistakes(config: &IpamConfig, with_ipv6: bool) -> Vec<String> {
    let Some(subnet) = Subnet::parse(&config.subnet) else {
        return vec![format!("invalid subnet {}: invalid CIDR block notation", config.subnet)];
    };
    // dockerd skips these, too; the caller refuses them.
    if !subnet.is_ipv4() && !with_ipv6 {
        return Vec::new();
    }
    let mut mistakes = Vec::new();
    // Docker's words show subnets as Go prints them.
    let written = base(&config.subnet).map_or_else(String::new, |base| format!("{base}/{}", subnet.bits()));
    if written != subnet.to_string() {
        mistakes.push(format!("invalid subnet {written}: it should be {subnet}"));
    }
    let parent = Parent { subnet, written };
    mistakes.extend(parent.range_mistakes(&config.range));
    if let Some(why) = parent.address_mistake(&config.gateway) {
        mistakes.push(format!("invalid gateway {}: {why}", config.gateway));
    }
    for (name, address) in &config.auxiliary_addresses {
        if let Some(why) = parent.address_mistake(address) {
            mistakes.push(format!("invalid auxiliary address {name}: {why}"));
        }
    }
    mistakes
}

/// The subnet to which other parts of a configuration have to belong, and as it was written.
struct Parent {
    subnet: Subnet,
    written: String,
}

impl Parent {
    fn family(&self) -> u32 {
        family(self.subnet.first())
    }

    fn range_mistakes(&self, range: &str) -> Vec<String> {
        if range.is_empty() {
            return Vec::new();
        }
        let (Some(prefix), Some(base)) = (Subnet::parse(range), base(range)) else {
            return vec![format!("invalid ip-range {range}: invalid CIDR block notation")];
        };
        if prefix.is_ipv4() != self.subnet.is_ipv4() {
            return vec![format!("invalid ip-range {range}: parent subnet is an IPv{} block", self.family())];
        }
        let written = &self.written;
        let mut mistakes = Vec::new();
        if prefix.bits() < self.subnet.bits() {
            mistakes.push(format!("invalid ip-range {range}: CIDR block is bigger than its parent subnet {written}"));
        }
        if base != prefix.first() {
            let range = format!("{base}/{}", prefix.bits());
            mistakes.push(format!("invalid ip-range {range}: it should be {prefix}"));
        }
        if !prefix.overlaps(self.subnet) {
            mistakes.push(format!("invalid ip-range {range}: parent subnet {written} doesn't contain ip-range"));
        }
        mistakes
    }

    fn address_mistake(&self, address: &str) -> Option<String> {
        if address.is_empty() {
            return None;
        }
        match address.parse::<IpAddr>() {
            Err(_) => Some("invalid address".to_owned()),
            Ok(ip) if ip.is_ipv4() != self.subnet.is_ipv4() => {
                Some(format!("parent subnet is an IPv{} block", self.family()))
            }
            Ok(ip) if !self.subnet.contains(ip) => {
                Some(format!("parent subnet {} doesn't contain this address", self.written))
            }
            Ok(_) => None,
        }
    }
}
