//! The way of a container to the engine's own resolver, when somebody flushed the engine's rules for it.
//!
//! dockerd listens on a port of chance in each container, at 127.0.0.11, and turns port 53 to it by rules that it makes
//! once (`moby: libnetwork/resolver_unix.go`). Where rules were flushed, Gam's stand in: they are asked after dockerd's,
//! so whatever dockerd makes later wins.

use std::fmt::Write;
use std::io;
use std::path::Path;

use super::namespace::Namespace;

/// `127.0.0.11` as the kernel's table of sockets writes it.
const ENGINE: u32 = u32::from_ne_bytes([127, 0, 0, 11]);

/// One transaction's text that leads to the engine's resolver in `namespace`.
pub async fn rules(namespace: &Namespace) -> io::Result<String> {
    let read = |table: &str| std::fs::read_to_string(Path::new("/proc/thread-self/net").join(table));
    let (udp, tcp) = namespace.run(move || Ok((read("udp")?, read("tcp")?))).await?;
    Ok(render(port(&udp), port(&tcp)))
}

/// The port on which somebody listens at the engine's address. A socket that listens has no other end.
fn port(table: &str) -> Option<u16> {
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (address, port) = words.next()?.split_once(':')?;
        let is_open = words.next()?.ends_with(":0000");
        let is_engine = u32::from_str_radix(address, 16) == Ok(ENGINE);
        (is_open && is_engine).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

fn render(udp: Option<u16>, tcp: Option<u16>) -> String {
    // Adding before deleting makes this work whether the table is there or not.
    let mut text = "add table ip gam-dns\ndelete table ip gam-dns\ntable ip gam-dns {\n\tchain own {\n".to_owned();
    text.push_str("\t\ttype nat hook output priority -99; policy accept;\n");
    for (protocol, port) in [("udp", udp), ("tcp", tcp)] {
        if let Some(port) = port {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\t\tip daddr 127.0.0.11 {protocol} dport 53 dnat to 127.0.0.11:{port}");
        }
    }
    text.push_str("\t}\n}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_port_is_found_among_sockets() {
        let engine = format!("{ENGINE:08X}");
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20  1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n\
             \x20  2: {engine}:9C40 0A00004E:0035 01 00000000:00000000 00:00000000 00000000     0        0 2\n\
             \x20  3: {engine}:D431 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3\n"
        );
        assert_eq!(port(&table), Some(0xD431));
        assert_eq!(port("  sl  local_address\n"), None);
        assert!(render(Some(7), None).contains("ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:7\n"));
        assert!(!render(Some(7), None).contains("tcp"));
    }
}
