//! Puts rules into a container's network namespace: the text is [`gam_core::discovery::balance`]'s, the namespace and the
//! `nft` that reads it are found here.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::namespace::Namespace;

/// The program that gives rules to the kernel. It is Debian's package `nftables`.
const NFT: &str = "nft";
/// How much of its complaint is told.
const COMPLAINT_MAX: usize = 400;

/// Does one transaction: all of it, or nothing.
pub async fn program(namespace: &Namespace, text: impl AsRef<str> + Send + 'static) -> io::Result<()> {
    namespace.run(move || nft(text.as_ref())).await
}

fn nft(text: &str) -> io::Result<()> {
    let mut child = Command::new(NFT)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // It reads all before it complains; if it does not, its complaint says more than the broken pipe.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let complaint: String = String::from_utf8_lossy(&output.stderr).chars().take(COMPLAINT_MAX).collect();
        return Err(io::Error::other(format!("nft refuses the rules: {}", complaint.trim())));
    }
    written
}
