//! A client that makes services one by one, for `benches/run.sh`.
//!
//! `services SOCKET COUNT` makes so many over one connection, each once the one before is acknowledged, removes them again, and
//! prints how many a second were made, and how many times as long the last quarter of them took as the first: what grows with
//! what is there already shows in it. Each has one replica, for which no node is fit, so that no container is made.
//!
//! Only the standard library is used, so that the client costs little and the same for every swarm.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

struct Client(BufReader<UnixStream>);

impl Client {
    fn new(socket: &str) -> Client {
        Client(BufReader::new(UnixStream::connect(socket).expect("the socket is there")))
    }

    /// One request; its answer must be one of success.
    fn ask(&mut self, method: &str, path: &str, body: &str) {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).expect("the request is sent");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a status line");
        let status = line.trim().to_owned();
        let mut length = 0;
        while line.trim() != "" {
            line.clear();
            self.0.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).expect("the body");
        let is_good = status.split(' ').nth(1).is_some_and(|code| code.starts_with('2'));
        assert!(is_good, "{method} {path}: {status}: {}", String::from_utf8_lossy(&answer));
    }
}

fn spec(name: &str) -> String {
    format!(
        r#"{{"Name":"{name}","TaskTemplate":{{"ContainerSpec":{{"Image":"busybox"}},"Placement":{{"Constraints":["node.labels.fit==no"]}}}},"Mode":{{"Replicated":{{"Replicas":1}}}}}}"#
    )
}

fn main() -> ExitCode {
    // `cargo bench` adds a flag of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (Some(socket), Some(Ok(count))) = (words.first(), words.get(1).map(|count| count.parse::<usize>())) else {
        eprintln!("services: run by benches/run.sh, with a socket and a number");
        return ExitCode::SUCCESS;
    };
    let quarter = count / 4;
    let mut client = Client::new(socket);
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let body = spec(&format!("made{number}"));
        let began = Instant::now();
        client.ask("POST", "/services/create", &body);
        times.push(began.elapsed());
    }
    for number in 0..count {
        client.ask("DELETE", &format!("/services/made{number}"), "");
    }
    let all: Duration = times.iter().sum();
    let first: Duration = times[..quarter].iter().sum();
    let last: Duration = times[count - quarter..].iter().sum();
    println!("{:.0} {:.2}", count as f64 / all.as_secs_f64(), last.as_secs_f64() / first.as_secs_f64());
    ExitCode::SUCCESS
}
