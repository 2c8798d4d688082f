//! A small web server and its clients, for `benches/network.sh`, which compiles this file alone and static (nothing but `std`),
//! because it has to run in containers that hold nothing else.
//!
//! - `load serve PORT` answers every request, and keeps connections. After `GET /quit` it says of each that it ends with the
//!   answer, and ends itself once no connection is left: what a server does that is told to stop.
//! - `load run HOST PORT CONNECTIONS SECONDS keep|new` asks as fast as it is answered, over connections that are kept or over a new one
//!   for each request, and prints `requests N failed N median MICROS`. Nothing is tried again.
//! - `load sink PORT` takes bytes, `load pour HOST PORT SECONDS` sends some and prints `megabits N`.
//! - `load stamp` prints the time, in milliseconds, at which its standard input first says something.

use std::io::{BufRead as _, BufReader, Read as _, Write as _, stdin};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A request that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
/// What is sent at once.
const PIECE: usize = 128 * 1024;

type Result<T> = std::io::Result<T>;

#[derive(Default)]
struct Server {
    quits: AtomicBool,
    open: AtomicUsize,
}

fn serve(port: u16) -> Result<()> {
    let server = Arc::new(Server::default());
    for stream in TcpListener::bind(("0.0.0.0", port))?.incoming() {
        let (server, stream) = (server.clone(), stream?);
        server.open.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            let _ = answer(&server, stream);
            if server.open.fetch_sub(1, Ordering::SeqCst) == 1 && server.quits.load(Ordering::SeqCst) {
                std::process::exit(0);
            }
        });
    }
    Ok(())
}

fn answer(server: &Server, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut first, mut line) = (String::new(), String::new());
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        if first.starts_with("GET /quit") {
            server.quits.store(true, Ordering::SeqCst);
        }
        let ends = server.quits.load(Ordering::SeqCst);
        let how = if ends { "close" } else { "keep-alive" };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: {how}\r\n\r\nhello")?;
        if ends {
            return Ok(());
        }
    }
}

/// One request; whether the connection goes on.
fn ask(stream: &mut BufReader<TcpStream>) -> Result<bool> {
    stream.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")?;
    let (mut line, mut goes_on, mut good) = (String::new(), true, false);
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        good |= line.starts_with("HTTP/1.1 200");
        goes_on &= line != "Connection: close\r\n";
    }
    let mut body = [0; 5];
    stream.read_exact(&mut body)?;
    if good && body == *b"hello" { Ok(goes_on) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

fn connect(host: &str, port: u16) -> Result<BufReader<TcpStream>> {
    let address = format!("{host}:{port}").parse().map_err(std::io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(BufReader::new(stream))
}

/// What one client saw: the time of each request that was answered, in microseconds, and how many were not.
fn client(host: &str, port: u16, until: Instant, keeps: bool) -> (Vec<u32>, usize) {
    let (mut times, mut failed) = (Vec::new(), 0);
    let mut kept = None;
    while Instant::now() < until {
        let begin = Instant::now();
        let stream = kept.take().map_or_else(|| connect(host, port), Ok);
        let asked = stream.and_then(|mut stream| ask(&mut stream).map(|goes_on| (stream, goes_on)));
        match asked {
            Ok((stream, goes_on)) => {
                times.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
                kept = Some(stream).filter(|_| goes_on && keeps);
            }
            Err(error) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                eprintln!("{} {error}", since.as_millis());
                failed += 1;
            }
        }
    }
    (times, failed)
}

fn run(host: &str, port: u16, connections: usize, seconds: u64, keeps: bool) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let begin = |_| {
        let host = host.to_owned();
        thread::spawn(move || client(&host, port, until, keeps))
    };
    let clients: Vec<_> = (0..connections).map(begin).collect();
    let (mut times, mut failed) = (Vec::new(), 0);
    for ended in clients.into_iter().filter_map(|client| client.join().ok()) {
        times.extend(ended.0);
        failed += ended.1;
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or(0);
    println!("requests {} failed {failed} median {median}", times.len() + failed);
}

fn sink(port: u16) -> Result<()> {
    for stream in TcpListener::bind(("0.0.0.0", port))?.incoming() {
        let mut stream = stream?;
        thread::spawn(move || {
            let mut piece = vec![0; PIECE];
            while stream.read(&mut piece).is_ok_and(|length| length > 0) {}
        });
    }
    Ok(())
}

fn pour(host: &str, port: u16, seconds: u64) -> Result<()> {
    let (mut stream, piece, mut sent) = (connect(host, port)?.into_inner(), vec![0; PIECE], 0_u64);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(seconds) {
        stream.write_all(&piece)?;
        sent += piece.len() as u64;
    }
    println!("megabits {:.0}", sent as f64 * 8.0 / 1e6 / begin.elapsed().as_secs_f64());
    Ok(())
}

fn stamp() -> Result<()> {
    let mut line = String::new();
    if stdin().read_line(&mut line)? > 0 {
        println!("{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u16>().unwrap_or_default();
    let done = match words[..] {
        ["serve", port] => serve(number(port)),
        ["run", host, port, connections, seconds, how] => {
            run(host, number(port), number(connections).into(), number(seconds).into(), how == "keep");
            Ok(())
        }
        ["sink", port] => sink(number(port)),
        ["pour", host, port, seconds] => pour(host, number(port), number(seconds).into()),
        ["stamp"] => stamp(),
        // Cargo runs every bench with `--bench`; this one is run by `benches/network.sh`.
        _ => Ok(()),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
