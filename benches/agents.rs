//! A hundred workers in one process, each a whole node with its own certificate, session and agent, in front of an engine that
//! is none: what they cost their leader is measured by `benches/cluster.sh`.
//!
//! `agents COUNT MANAGER TOKEN ADDRESS FOLDER` joins them, all at one address, to the swarm of the manager at `host:port`, prints
//! `ready`, and goes when its standard input ends.

use std::path::Path;
use std::process::ExitCode;

use gam::agent::AgentConfig;
use gam::engine::Engine;
use gam::network::Networks;
use gam::node::directory::Directory;
use gam::node::{Join, Node};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// Joins at once. A join waits for the leader's disk, and so takes others along; more would only stand in line.
const AT_ONCE: usize = 8;

/// What an engine says that has no containers.
fn answer(target: &str) -> &'static str {
    match target.split('?').next().unwrap_or(target) {
        "/info" => {
            r#"{"ID":"fake","Name":"fake","OSType":"linux","Architecture":"x86_64","NCPU":1,"MemTotal":1073741824,"ServerVersion":"28.5.2"}"#
        }
        "/version" => r#"{"Version":"28.5.2","ApiVersion":"1.51","Os":"linux","Arch":"amd64"}"#,
        target if target.ends_with("/networks") => r#"[{"Id":"gateway","Name":"docker_gwbridge"}]"#,
        _ => "[]",
    }
}

/// One connection of an agent to the engine that is none.
async fn serve(stream: UnixStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut target) = (String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if target.is_empty() {
                target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
        }
        if target.contains("/events") {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            // Nothing ever happens, until the agent goes.
            return stream.read_u8().await.map(drop);
        }
        let body = answer(&target);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
    }
}

async fn join(number: usize, [manager, token, address, folder]: [String; 4]) -> Node {
    let engine = Engine::new(Path::new(&folder).join("engine.sock"));
    let agent = AgentConfig::new(engine.clone(), Networks::new(engine), None);
    let directory = Directory::open(&Path::new(&folder).join(number.to_string())).expect("a folder of its own");
    let node = Node::open(directory, agent).await.expect("a node");
    let join = Join {
        listen_addr: "0.0.0.0:2377".into(),
        advertise_addr: address,
        remote_addrs: vec![manager],
        join_token: token,
        ..Join::default()
    };
    node.join(join).await.expect("it joins");
    node
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [count, rest @ ..] = &words[..] else {
        return usage();
    };
    let Ok(settings) = <[String; 4]>::try_from(rest.to_vec()) else { return usage() };
    let engine = UnixListener::bind(Path::new(&settings[3]).join("engine.sock")).expect("a socket for the engine");
    tokio::spawn(async move {
        while let Ok((stream, _)) = engine.accept().await {
            // How an agent goes makes no difference.
            tokio::spawn(async move { drop(serve(stream).await) });
        }
    });
    let (mut joining, mut nodes) = (JoinSet::new(), Vec::new());
    for number in 0..count.parse().expect("a number of agents") {
        if joining.len() == AT_ONCE {
            nodes.extend(joining.join_next().await.map(|node| node.expect("a node")));
        }
        joining.spawn(join(number, settings.clone()));
    }
    nodes.extend(joining.join_all().await);
    println!("ready");
    // Until whoever started this goes.
    let gone = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let _ = gone.await;
    ExitCode::SUCCESS
}

/// Alone they have no swarm to join.
fn usage() -> ExitCode {
    eprintln!("run benches/cluster.sh: these are only its workers");
    ExitCode::SUCCESS
}
