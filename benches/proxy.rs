//! What Gam's edge costs: the same requests to dockerd directly and through Gam, alternating in one run.
//!
//! `DIRECT=/var/run/docker.sock PROXIED=/run/gam/docker.sock cargo bench --bench proxy`. For `GET /_ping` and
//! `GET /containers/json` it prints the median latency of one client and the throughput of 32, and for every path in
//! `STREAMS` (separated by spaces, for example `/images/busybox/get`) the rate of a download. `UPLOAD` names a tar
//! of the image `big`, which is there, that is sent to `POST /images/load`. It prints rows of a table (`benches/run.sh` makes the rest) and fails when a
//! limit of the project is missed. Only the standard library is
//! used, so that the client costs little and the same on both sides.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Requests of one client on one side before the other side has its turn.
const BATCH: usize = 200;
/// Turns of each side.
const BATCHES: usize = 30;
/// Clients that ask at once, and for how long on each side in a turn.
const CLIENTS: usize = 32;
const TURN: Duration = Duration::from_millis(400);
const TURNS: usize = 15;
/// Downloads and uploads of each side: dockerd's own disk makes one differ from the next by a tenth.
const STREAM_TURNS: usize = 15;
/// Bytes of an upload sent at once, as a chunk: as many as Go's `io.Copy`, and so the docker CLI, sends.
const PIECE: usize = 32 * 1024;
/// Most that Gam may add at the median.
const ADDED_LIMIT: Duration = Duration::from_micros(100);
/// Least that is left of the throughput, and of a stream's rate.
const THROUGHPUT_LIMIT: f64 = 0.70;
const STREAM_LIMIT: f64 = 0.95;

struct Client(BufReader<UnixStream>);

impl Client {
    fn new(socket: &str) -> Client {
        let stream = UnixStream::connect(socket).unwrap_or_else(|error| panic!("cannot connect to {socket}: {error}"));
        Client(BufReader::with_capacity(256 * 1024, stream))
    }

    /// One request on the kept connection; returns the size of the answer's body.
    fn get(&mut self, path: &str) -> usize {
        let request = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("the request is sent");
        self.answer(path)
    }

    /// Removes what an upload brought, so that the next one brings it again.
    fn remove(&mut self, image: &str) {
        let request = format!("DELETE /images/{image}?force=1 HTTP/1.1\r\nHost: d\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("the request is sent");
        self.answer("the removal");
    }

    /// Sends a file; returns its size.
    fn load(&mut self, file: &str) -> usize {
        let mut file = std::fs::File::open(file).expect("the file to upload");
        let size = file.metadata().expect("its size").len();
        let head = "POST /images/load?quiet=1 HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.0.get_mut().write_all(head.as_bytes()).expect("the head is sent");
        let (mut piece, mut chunk) = (vec![0; PIECE], Vec::new());
        loop {
            let n = file.read(&mut piece).expect("the file");
            chunk.clear();
            write!(chunk, "{n:x}\r\n").expect("room");
            chunk.extend_from_slice(&piece[..n]);
            chunk.extend_from_slice(b"\r\n");
            self.0.get_mut().write_all(&chunk).expect("the body is sent");
            if n == 0 {
                break;
            }
        }
        self.answer("the upload");
        usize::try_from(size).expect("a size")
    }

    fn answer(&mut self, what: &str) -> usize {
        let (mut line, mut length, mut chunked) = (String::new(), 0, false);
        self.0.read_line(&mut line).expect("a status line");
        assert!(line.contains(" 200 "), "{what}: {line}");
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a header");
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().expect("a length");
            }
            chunked |= header == "transfer-encoding: chunked";
        }
        if !chunked {
            self.skip(length);
            return length;
        }
        let mut size = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a chunk's size");
            let chunk = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
            self.skip(chunk + 2);
            size += chunk;
            if chunk == 0 {
                return size;
            }
        }
    }

    fn skip(&mut self, length: usize) {
        let copied = std::io::copy(&mut (&mut self.0).take(length as u64), &mut std::io::sink()).expect("the body");
        assert_eq!(copied, length as u64, "the body broke off");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Median latency of one client on each side.
fn latency(sides: [&str; 2], path: &str) -> [Duration; 2] {
    let mut clients = sides.map(Client::new);
    let mut times = [Vec::new(), Vec::new()];
    for batch in 0..=BATCHES {
        for (client, times) in clients.iter_mut().zip(&mut times) {
            for _ in 0..BATCH {
                let start = Instant::now();
                client.get(path);
                // The first batch warms both sides up.
                if batch > 0 {
                    times.push(start.elapsed());
                }
            }
        }
    }
    times.map(median)
}

/// Requests a second of all clients on one side in one turn.
fn turn(socket: &str, path: &str) -> f64 {
    let barrier = Barrier::new(CLIENTS);
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(socket);
                    client.get(path);
                    barrier.wait();
                    let (start, mut count) = (Instant::now(), 0);
                    while start.elapsed() < TURN {
                        client.get(path);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    counts.iter().sum::<usize>() as f64 / TURN.as_secs_f64()
}

/// Rates of both sides, in the unit that one turn gives, and the ratio of the two: the medians over all turns. The ratio
/// is that of turns next to each other, so that a machine that is slower for a while is so for both; who goes first changes, for
/// what a turn leaves to be written to the disk is the next one's burden.
fn rates(sides: [&str; 2], turns: usize, one: impl Fn(&str) -> f64) -> [f64; 3] {
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for turn in 0..turns {
        let [direct, proxied] = if turn % 2 == 0 {
            sides.map(&one)
        } else {
            let proxied = one(sides[1]);
            [one(sides[0]), proxied]
        };
        for (all, value) in all.iter_mut().zip([direct, proxied, proxied / direct]) {
            all.push(value);
        }
    }
    all.map(|mut values| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    })
}

fn rate(bytes: usize, since: Instant) -> f64 {
    bytes as f64 / 1e6 / since.elapsed().as_secs_f64()
}

/// One line of the table; tells whether the limit was held.
fn row(what: &str, direct: &str, gam: &str, figure: &str, limit: &str, held: bool) -> bool {
    println!("| {what} | {direct} | {gam} | {figure} | {limit} |{}", if held { "" } else { " **missed**" });
    held
}

fn row_of_rates(what: &str, unit: &str, [direct, proxied, ratio]: [f64; 3], limit: f64) -> bool {
    row(
        what,
        &format!("{direct:.0} {unit}"),
        &format!("{proxied:.0} {unit}"),
        &format!("{:.0} %", ratio * 100.0),
        &format!("at least {:.0} %", limit * 100.0),
        ratio >= limit,
    )
}

fn main() -> ExitCode {
    let (Ok(direct), Ok(proxied)) = (std::env::var("DIRECT"), std::env::var("PROXIED")) else {
        println!("proxy: set DIRECT and PROXIED to the sockets of dockerd and Gam to measure");
        return ExitCode::SUCCESS;
    };
    let sides = [direct.as_str(), proxied.as_str()];
    let mut held = true;
    for path in ["/_ping", "/containers/json"] {
        let [direct, proxied] = latency(sides, path);
        let added = proxied.saturating_sub(direct);
        held &= row(
            &format!("`GET {path}`, median latency"),
            &format!("{} us", direct.as_micros()),
            &format!("{} us", proxied.as_micros()),
            &format!("+{} us", added.as_micros()),
            &format!("at most +{} us", ADDED_LIMIT.as_micros()),
            added <= ADDED_LIMIT,
        );
        let rates = rates(sides, TURNS, |socket| turn(socket, path));
        held &= row_of_rates(&format!("`GET {path}`, {CLIENTS} connections"), "/s", rates, THROUGHPUT_LIMIT);
    }
    for path in std::env::var("STREAMS").unwrap_or_default().split_whitespace() {
        let rates = rates(sides, STREAM_TURNS, |socket| {
            let start = Instant::now();
            rate(Client::new(socket).get(path), start)
        });
        held &= row_of_rates(&format!("`GET {path}`"), "MB/s", rates, STREAM_LIMIT);
    }
    if let Ok(file) = std::env::var("UPLOAD") {
        let rates = rates(sides, STREAM_TURNS, |socket| {
            // Without this dockerd would read the upload and keep nothing of it.
            Client::new(&direct).remove("big");
            let start = Instant::now();
            rate(Client::new(socket).load(&file), start)
        });
        held &= row_of_rates("`POST /images/load`", "MB/s", rates, STREAM_LIMIT);
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
