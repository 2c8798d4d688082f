//! What goes over the cables: records the frames of a network namespace to a file, and judges such a file: everything on a
//! port must be TLS, enough of it, and words that nobody may read must not stand in it.
//!
//! The file is a classic pcap, so any other program can write or show it.

mod frames;
mod streams;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rustix::net::{AddressFamily, RecvFlags, SocketType, eth, recv, socket, sockopt};

use streams::Streams;

/// The longest frame: a virtual cable carries what the sender's kernel has not cut into packets yet.
const FRAME_MAX: usize = 256 * 1024;
/// What the kernel keeps until it is read; a busy machine reads late.
const BUFFER: usize = 64 * 1024 * 1024;

/// What must be so on a port.
#[derive(Args)]
pub struct Options {
    /// The recorded frames.
    file: PathBuf,
    /// The TCP port.
    #[arg(long, default_value_t = 2377)]
    port: u16,
    /// At least so many connections must have carried something.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// At least so many bytes must have passed.
    #[arg(long, default_value_t = 1)]
    bytes: usize,
    /// A word that must not be readable in any frame, whatever its port; may be given several times.
    #[arg(long)]
    absent: Vec<String>,
}

/// Records every frame of this network namespace until it is killed. The file's head is written once nothing is missed any
/// more, and each frame in one piece.
///
/// # Errors
/// When that is not allowed, or the file cannot be written.
pub fn record(path: &Path) -> Result<bool> {
    let socket =
        socket(AddressFamily::PACKET, SocketType::RAW, Some(eth::ALL)).context("cannot listen to the frames")?;
    sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).context("cannot have a large buffer")?;
    let mut file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&frames::head())?;
    let mut frame = vec![0; FRAME_MAX];
    loop {
        let (_, length) = recv(&socket, frame.as_mut_slice(), RecvFlags::empty()).context("cannot take a frame")?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        file.write_all(&frames::framed(since, &frame[..length.min(FRAME_MAX)]))?;
    }
}

/// Judges a file and says what was in it; whether all of it may be so.
///
/// # Errors
/// When the file cannot be read, or something in it is not as it must be.
pub fn judge(options: &Options) -> Result<bool> {
    let bytes = std::fs::read(&options.file).with_context(|| format!("cannot read {}", options.file.display()))?;
    let mut streams = Streams::new(options.port);
    let mut count = 0;
    for frame in frames::frames(&bytes)? {
        count += 1;
        for word in &options.absent {
            let is_there = frame.windows(word.len().max(1)).any(|window| window == word.as_bytes());
            ensure!(!is_there, "frame {count} shows {word:?} to everybody");
        }
        streams.take(frame);
    }
    let found = streams.judge()?;
    let Options { port, connections, bytes, .. } = options;
    if found.connections < *connections || found.bytes < *bytes {
        bail!(
            "port {port} was hardly used: {} connections and {} bytes, and not {connections} and {bytes}",
            found.connections,
            found.bytes
        );
    }
    println!(
        "{count} frames; on port {port} {} connections with {} bytes in {} records, all of them TLS",
        found.connections, found.bytes, found.records
    );
    Ok(true)
}
