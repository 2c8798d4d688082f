//! A recording proxy between the CLI and a daemon's socket. Bytes are spliced unchanged, hijacked streams included;
//! `http1` reads along. An exchange is recorded before its last byte reaches the client, so when a command has
//! ended, all that it said is on record. Called by `target`, which puts tees in front of every host's sockets.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::http1::{Conversation, Exchange};
use crate::kinds::Kinds;

/// One splice at a time; large enough that an image archive costs few wake-ups.
const PIECE: usize = 64 * 1024;

/// What a tee does with the exchanges that it saw.
#[derive(Clone)]
pub struct Sink {
    /// Learns the kind of each id from every body.
    pub kinds: Arc<Mutex<Kinds>>,
    /// Each exchange as a line of JSON (see [`line`]), for `wire` and for a look at what happened.
    pub log: PathBuf,
}

/// Listens on `socket` for the rest of the process's life and passes every connection on to `upstream`.
///
/// # Errors
/// When the socket cannot be bound.
pub fn listen(socket: &Path, upstream: &Path, sink: &Sink) -> io::Result<()> {
    if socket.exists() {
        std::fs::remove_file(socket)?;
    }
    let listener = UnixListener::bind(socket)?;
    let (upstream, sink) = (upstream.to_owned(), sink.clone());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // Nobody upstream: the client sees its connection closed.
            if let Ok(server) = UnixStream::connect(&upstream) {
                splice(client, server, &sink);
            }
        }
    });
    Ok(())
}

fn splice(client: UnixStream, server: UnixStream, sink: &Sink) {
    let conversation = Arc::new(Mutex::new(Conversation::default()));
    let (Ok(client_out), Ok(server_out)) = (client.try_clone(), server.try_clone()) else { return };
    let requests = Arc::clone(&conversation);
    thread::spawn(move || copy(client, server_out, |bytes| lock(&requests).client_sent(bytes.unwrap_or_default())));
    let sink = sink.clone();
    thread::spawn(move || {
        copy(server, client_out, |bytes| match bytes {
            Some(bytes) => lock(&conversation).server_sent(bytes).iter().for_each(|e| sink.record(e)),
            None => lock(&conversation).server_closed().iter().for_each(|e| sink.record(e)),
        });
    });
}

/// Copies one direction and shows each piece to `look` before it goes on; `None` is the end.
fn copy(mut from: UnixStream, mut to: UnixStream, mut look: impl FnMut(Option<&[u8]>)) {
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => {
                look(Some(&piece[..n]));
                if to.write_all(&piece[..n]).is_err() {
                    _ = from.shutdown(Shutdown::Read);
                    break;
                }
            }
        }
    }
    look(None);
    _ = to.shutdown(Shutdown::Write);
}

impl Sink {
    fn record(&self, exchange: &Exchange) {
        lock(&self.kinds).learn(exchange);
        // A log that cannot be written shows as a `wire` step without lines, which no golden has.
        let file: io::Result<File> = OpenOptions::new().append(true).create(true).open(&self.log);
        if let Ok(mut file) = file {
            _ = file.write_all(line(exchange).as_bytes());
        }
    }
}

/// An exchange as one line: method, path, status, headers and the body as text.
pub fn line(exchange: &Exchange) -> String {
    let json = serde_json::json!({
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "headers": exchange.headers,
        "body": String::from_utf8_lossy(&exchange.body),
    });
    format!("{json}\n")
}

/// A panic elsewhere must not lose the record of what was seen.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers 101 and then echoes what it gets, to the end of the client's side and not further.
    fn echo_server(socket: &Path) -> thread::JoinHandle<()> {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).unwrap();
            assert!(head[..n].starts_with(b"POST /containers/c/attach"));
            stream.write_all(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n").unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        })
    }

    #[test]
    fn a_hijacked_stream_passes_both_ways_with_half_close() {
        let dir = std::env::temp_dir().join(format!("gam-tee-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let server = echo_server(&dir.join("up"));
        let sink = Sink { kinds: Arc::default(), log: dir.join("log") };
        listen(&dir.join("tee"), &dir.join("up"), &sink).unwrap();

        let mut client = UnixStream::connect(dir.join("tee")).unwrap();
        client.write_all(b"POST /containers/c/attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\n").unwrap();
        let mut head = [0; 39];
        client.read_exact(&mut head).unwrap();
        let data: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        client.write_all(&data).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();

        assert!(back == data, "the bytes came back changed");
        server.join().unwrap();
        let log = std::fs::read_to_string(dir.join("log")).unwrap();
        assert_eq!(log.lines().count(), 1);
        assert!(log.contains(r#""status":101"#), "{log}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
