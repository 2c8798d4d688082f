//! What the tables of a busy node cost: 500 services of 10 tasks each on one network, of which 50 containers of the node are.
//! Measured in network namespaces of its own, with the text and the program that Gam gives the kernel. As root, with `ip` and
//! `nft`; part of `benches/network.sh`. `tables [SERVICES TASKS SANDBOXES]` prints `full MILLIS` and `change MILLIS`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream;
use gam::network::balancing::program;
use gam::network::namespace::Namespace;
use gam_core::assignment::Assignments;
use gam_core::discovery::balance::Texts;
use gam_core::discovery::{Balance, Balancers, Names, endpoints};
use gam_core::model::{Member, NamedService, NodeId, Phase, VirtualIp};

/// As `network::discovery` has it.
const PARALLEL: usize = 4;

/// Network namespaces that go with this.
struct Sandboxes(Vec<String>);

impl Sandboxes {
    fn new(count: usize) -> Sandboxes {
        let names: Vec<String> = (0..count).map(|number| format!("gamtables{number}")).collect();
        for name in &names {
            assert!(ip(&["netns", "add", name]), "cannot make a network namespace");
        }
        Sandboxes(names)
    }

    fn open(&self) -> Vec<Namespace> {
        let open = |name: &String| Namespace::open(&Path::new("/run/netns").join(name)).expect("a namespace just made");
        self.0.iter().map(open).collect()
    }
}

impl Drop for Sandboxes {
    fn drop(&mut self) {
        for name in &self.0 {
            ip(&["netns", "del", name]);
        }
    }
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).status().is_ok_and(|status| status.success())
}

/// Everything that the node knows: service number `s` has the address `10.1.s/256.s%256`, its tasks others.
fn known(services: u32, tasks: u32) -> Assignments {
    let network = 1.into();
    let mut known = Assignments { index: 1, ..Assignments::default() };
    for service in 0..services {
        let id = u128::from(service + 1).into();
        let address = format!("10.1.{}.{}/8", service / 256, service % 256);
        let virtual_ips = vec![VirtualIp { network, address }];
        known.services.insert(
            id,
            Arc::new(NamedService {
                id,
                name: format!("web{service}"),
                virtual_ips,
                ports: Vec::new(),
                masquerades: false,
            }),
        );
        for task in 0..tasks {
            let number = service * tasks + task;
            let member = Member {
                network,
                task: u128::from(number + 1).into(),
                node: NodeId::from(u128::from(task + 1)),
                service: Some(id),
                name: format!("web{service}.{task}.x"),
                container: format!("{number:064x}"),
                addresses: vec![format!("10.{}.{}.{}/8", 2 + number / 65536, number / 256 % 256, number % 256)],
                mac: String::new(),
                endpoint: format!("{number:064x}"),
                aliases: Vec::new(),
                phase: Phase::Serving,
            };
            known.members.insert((member.network, member.task), Arc::new(member));
        }
    }
    known
}

/// Brings all sandboxes from what was known to what is, as `network::discovery` does; returns what they have then.
async fn bring(
    known: &Assignments,
    balancers: &mut Balancers,
    sandboxes: &[Namespace],
    old: &[Option<Arc<Balance>>],
) -> Vec<Option<Arc<Balance>>> {
    let endpoints = endpoints(known);
    std::hint::black_box(Names::new([(1.into(), "net")], &endpoints));
    balancers.renew(&endpoints);
    let mut texts = Texts::default();
    let mut work = Vec::new();
    for (sandbox, old) in sandboxes.iter().zip(old) {
        let new = balancers.of([1.into()]);
        let text = texts.from(old.as_ref(), &new);
        work.push(async move {
            program(sandbox, text).await.expect("rules that the kernel takes");
            Some(new)
        });
    }
    stream::iter(work).buffered(PARALLEL).collect().await
}

#[tokio::main]
async fn main() {
    let words: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [services, tasks, count] = words[..] else { return run(500, 10, 50).await };
    run(services, tasks, count as usize).await;
}

async fn run(services: u32, tasks: u32, count: usize) {
    let names = Sandboxes::new(count);
    let sandboxes = names.open();
    let mut known = known(services, tasks);
    let begin = Instant::now();
    let mut balancers = Balancers::default();
    let held = bring(&known, &mut balancers, &sandboxes, &vec![None; count]).await;
    println!("full {}", begin.elapsed().as_millis());
    let (key, mut leaving) =
        known.members.iter().next().map(|(key, member)| (*key, Member::clone(member))).expect("one");
    leaving.phase = Phase::Leaving;
    known.members.insert(key, Arc::new(leaving));
    let begin = Instant::now();
    bring(&known, &mut balancers, &sandboxes, &held).await;
    println!("change {}", begin.elapsed().as_millis());
}
