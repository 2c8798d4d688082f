//! Whose name a task's `/etc/hosts` gives which address.
//!
//! The engine writes the host's name with the address on each of its networks, in any order. On the routing mesh's network nobody but
//! the mesh reaches a task, so that address is no answer to who asks for the task's own, as many a cluster's member does to tell the
//! others (Java's `InetAddress.getLocalHost`, `hostname -i`). Docker leaves it out (`moby: daemon/libnetwork`), and so does this, as
//! soon as the container runs.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::resolv_conf::rewrite;

/// Takes the lines of these addresses out of a container's file.
pub fn leave_out(path: &Path, addresses: &[IpAddr]) -> io::Result<()> {
    rewrite(path, |text| without(text, addresses))
}

/// The text without these addresses; `None` if none of them is there.
fn without(text: &str, addresses: &[IpAddr]) -> Option<String> {
    let is_theirs = |line: &&str| {
        let first = line.split_whitespace().next().and_then(|word| word.parse().ok());
        first.is_some_and(|address: IpAddr| addresses.contains(&address))
    };
    let kept: Vec<&str> = text.split('\n').filter(|line| !is_theirs(line)).collect();
    (kept.len() < text.split('\n').count()).then(|| kept.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_addresses_go() {
        let addresses = ["10.0.0.3", "fd00::3"].map(|address| address.parse().unwrap());
        let text = "127.0.0.1\tlocalhost\n10.0.0.3\tweb\n10.0.1.3\tweb\nfd00::3\tweb\n10.0.0.33\tother\n# 10.0.0.3 x\n";
        let left = "127.0.0.1\tlocalhost\n10.0.1.3\tweb\n10.0.0.33\tother\n# 10.0.0.3 x\n";
        assert_eq!(without(text, &addresses).as_deref(), Some(left));
        assert_eq!(without(left, &addresses), None);
        assert_eq!(without("", &addresses), None);
    }
}
