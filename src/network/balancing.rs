//! Puts rules into a network namespace: the text is that of the core, [`gam_core::discovery`]'s for a container and for
//! published ports, [`gam_core::plane::guard`]'s for the host; the namespace and the `nft` that reads it are found here.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::namespace::Namespace;

/// The program that gives rules to the kernel. It is Debian's package `nftables`.
const NFT: &str = "nft";
/// How much of its complaint is told.
const COMPLAINT_MAX: usize = 400;

/// Does one transaction: all of it, or nothing.
pub async fn program(namespace: &Namespace, text: impl AsRef<str> + Send + 'static) -> io::Result<()> {
    namespace.run(move || nft(&["-s", "-f", "-"], text.as_ref())).await.map(drop)
}

/// The same on this host.
pub async fn program_host(text: String) -> io::Result<()> {
    let work = move || nft(&["-f", "-"], &text);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error))).map(drop)
}

/// What is listed, without counters. Asking for nothing is answered by nothing.
pub async fn ask(namespace: &Namespace, text: String) -> io::Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    namespace.run(move || nft(&["-s", "-f", "-"], &text)).await
}

fn nft(arguments: &[&str], text: &str) -> io::Result<String> {
    let mut child = Command::new(NFT)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It reads all before it complains; if it does not, its complaint says more than the broken pipe.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let complaint: String = String::from_utf8_lossy(&output.stderr).chars().take(COMPLAINT_MAX).collect();
        return Err(io::Error::other(format!("nft refuses the rules: {}", complaint.trim())));
    }
    written.map(|()| String::from_utf8_lossy(&output.stdout).into_owned())
}
