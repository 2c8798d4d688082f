//! A compact language for cluster states, and a printer for changes: text in, text out, for the tests of every pass.
//!
//! One line makes one object; a line about an object that exists changes it. Identifiers follow from names and the
//! clock starts at zero and moves only by `at`, so that the same text is always the same state.
//!
//! ```text
//! at 10s                                        everything below happens ten seconds after the start
//! cluster history=5                             the task history limit
//! network net 10.0.1.0/24 attachable            also: ingress internal encrypted predefined driver=
//! node n1 ready az=a                            ready|down|unknown|disconnected, active|pause|drain, manager,
//!                                               cpus=2 memory=512 (MiB) generic.gpu=2 (or =one,two) os= arch= plugin=Volume/local engine.k=v
//!                                               addr=192.0.2.1 data-path=198.51.100.1;
//!                                               any other key=value is a label
//! service web replicas=2 image=nginx            or: global, job=3 (completions) concurrent=2, global-job; see
//!                                               `set_service` for every key. A task of a job is desired=complete
//! task web.1 n1 running desired=shutdown        node, state, desired=, attempts=, not-before=10s, err=, exit=1,
//!                                               net=10.0.1.3/24 (an address on a network of that name),
//!                                               mac.10.0.1.3=02:00:00:00:00:01
//! task web.1' n2 failed                         another task of the same slot; of a global service: `task web.n1`
//! attach box n1 net=10.0.1.9/24                 a container that the swarm did not make
//! secret key                                    or: config; a service has it with secret=key
//! remove node n1                                also: service, task, network, secret, config
//! ```
//!
//! Changes print as `+ web.2` (made), `~ web.1 desired=shutdown` (changed), `- web.1` (gone), and a wish to be called
//! again as `wake 15s`. A task made by a pass is named after its slot, with as many primes as needed.

// Other modules' tests use what this one's do not.
#![allow(dead_code)]

mod words;

use std::collections::BTreeMap;

use crate::model::generic::variables;
use crate::model::*;
use crate::plan::Plan;
use crate::state::{Change, Proposal, State};
use words::{new_node, new_service, set_node, set_service};

/// The moment that a fixture calls zero.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000 * SECOND);
/// One second, in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// A state under test, with names for everything in it.
pub(crate) struct Fixture {
    pub state: State,
    pub now: Timestamp,
    pub ids: IdSource,
    names: BTreeMap<u128, String>,
}

impl Fixture {
    /// The state that `text` describes.
    pub fn new(text: &str) -> Fixture {
        let ids = IdSource::new([9; 32]);
        let mut fixture = Fixture { state: State::default(), now: START, ids, names: BTreeMap::new() };
        fixture.add(text);
        fixture
    }

    /// Goes on as `text` describes.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some((kind, rest)) = words.split_first() else { continue };
            let (name, rest) = rest.split_first().unwrap_or_else(|| panic!("nothing named in {line:?}"));
            match *kind {
                "at" => self.now = START.plus(duration(name)),
                "cluster" => self.cluster(name),
                "network" => self.network_line(name, rest),
                "node" => self.node_line(name, rest),
                "service" => self.service_line(name, rest),
                "task" => self.task_line(name, rest),
                "attach" => self.attach(name, rest),
                "secret" | "config" => self.payload(kind, name, rest),
                "remove" => self.remove(name, rest[0]),
                _ => panic!("unknown kind of line: {line:?}"),
            }
        }
    }

    /// Runs a pass, prints and applies what it changed, and checks that planning twice changes nothing.
    pub fn plan(&mut self, pass: impl Fn(&mut Plan<'_>)) -> String {
        let (changes, wake) = self.run(&pass);
        let mut printed = self.apply(changes);
        let (again, _) = self.run(&pass);
        assert!(again.is_empty(), "planned:\n{printed}and then again:\n{}", self.apply(again));
        if let Some(at) = wake {
            printed.push_str(&format!("wake {}\n", moment(at)));
        }
        printed
    }

    /// Runs a pass and throws away what it changed.
    pub fn run(&mut self, pass: impl Fn(&mut Plan<'_>)) -> (Vec<Change>, Option<Timestamp>) {
        let mut plan = Plan::new(&self.state, self.now, &mut self.ids);
        pass(&mut plan);
        plan.finish()
    }

    /// Applies changes as one proposal and prints them.
    pub fn apply(&mut self, changes: Vec<Change>) -> String {
        let mut printed = String::new();
        for change in &changes {
            if let Change::TaskCreate { id, service, slot, node, .. } = change
                && !self.names.contains_key(&id.number())
            {
                let is_by_node = self.state.service(*service).is_some_and(|service| service.is_by_node());
                let place = node.filter(|_| is_by_node).map_or(slot.to_string(), |node| self.name(node.number()));
                let mut name = format!("{}.{place}", self.name(service.number()));
                while self.names.values().any(|taken| *taken == name) {
                    name.push('\'');
                }
                self.names.insert(id.number(), name);
            }
            printed.push_str(&self.print(change));
            printed.push('\n');
        }
        if !changes.is_empty() {
            self.state.apply(self.state.index() + 1, &Proposal { at: self.now, changes });
        }
        printed
    }

    /// The node of that name, whether it exists or not. [`Fixture::service`] and the others likewise.
    pub fn node(&self, name: &str) -> NodeId {
        number(name).into()
    }

    pub fn service(&self, name: &str) -> ServiceId {
        number(name).into()
    }

    pub fn network(&self, name: &str) -> NetworkId {
        number(name).into()
    }

    /// The task of that name: from the text, or as printed.
    pub fn task(&self, name: &str) -> TaskId {
        let known = self.names.iter().find(|(_, known)| *known == name);
        known.map_or_else(|| number(name), |(number, _)| *number).into()
    }

    /// The name of whatever has this number.
    pub fn name(&self, number: u128) -> String {
        self.names.get(&number).cloned().unwrap_or_else(|| TaskId::from(number).to_string())
    }

    /// Every task as `name node state desired`, in the order of names.
    pub fn tasks(&self) -> String {
        let mut lines: Vec<String> = self.state.tasks().map(|task| self.task_text(task)).collect();
        lines.sort();
        lines.concat()
    }

    fn task_text(&self, task: &Task) -> String {
        let node = task.node.map_or("-".into(), |node| self.name(node.number()));
        format!("{} {node} {} desired={}\n", self.name(task.id.number()), task.status.state, task.desired)
    }

    fn named<T: From<u128>>(&mut self, name: &str) -> T {
        self.names.insert(number(name), name.to_owned());
        T::from(number(name))
    }

    fn cluster(&mut self, word: &str) {
        let Some(("history", limit)) = word.split_once('=') else { panic!("unknown word {word:?}") };
        let mut spec = SwarmSpec { name: "default".into(), ..SwarmSpec::default() };
        spec.orchestration.task_history_retention_limit = Some(limit.parse().unwrap());
        let change = match self.state.cluster() {
            Some(_) => Change::ClusterUpdate(Box::new(spec)),
            None => Change::ClusterCreate(Box::new(Cluster {
                id: 1.into(),
                meta: Meta::default(),
                spec,
                root_ca: RootCa::default(),
                join_tokens: JoinTokens::default(),
                unlock_key: String::new(),
                default_addr_pool: vec!["10.0.0.0/8".into()],
                subnet_size: 24,
                data_path_port: 4789,
            })),
        };
        self.apply(vec![change]);
    }

    fn network_line(&mut self, name: &str, words: &[&str]) {
        let mut spec = NetworkSpec { name: name.into(), scope: "swarm".into(), ..NetworkSpec::default() };
        let mut ipam = Vec::new();
        for word in words {
            match (*word, word.split_once('=')) {
                ("attachable", _) => spec.attachable = true,
                ("ingress", _) => spec.ingress = true,
                ("internal", _) => spec.internal = true,
                ("encrypted", _) => {
                    let options = [("encrypted".to_owned(), String::new())].into();
                    spec.driver_configuration = Some(Driver { name: "overlay".into(), options });
                }
                ("predefined", _) => drop(spec.labels.insert(PREDEFINED_LABEL.into(), "true".into())),
                (_, Some(("driver", driver))) => {
                    spec.driver_configuration = Some(Driver { name: driver.into(), ..Driver::default() });
                }
                (subnet, None) => ipam.push(IpamConfig { subnet: subnet.into(), ..IpamConfig::default() }),
                _ => panic!("unknown word {word:?}"),
            }
        }
        let vni = 4097 + self.state.networks().count() as u32;
        let id = self.named(name);
        self.apply(vec![Change::NetworkCreate(Box::new(Network { id, meta: Meta::default(), spec, ipam, vni }))]);
    }

    fn node_line(&mut self, name: &str, words: &[&str]) {
        let id: NodeId = self.named(name);
        let old = self.state.node(id).cloned();
        let mut node = old.as_ref().map_or_else(|| new_node(id, name), |old| (**old).clone());
        for word in words {
            set_node(&mut node, word);
        }
        let mut changes = Vec::new();
        match old {
            None => changes.push(Change::NodeCreate(Box::new(node))),
            Some(old) => {
                if node.spec != old.spec {
                    changes.push(Change::NodeUpdate { id, spec: node.spec });
                }
                if node.status != old.status || node.description != old.description {
                    let description = Some(Box::new(node.description));
                    changes.push(Change::NodeReport { id, status: node.status, description });
                }
            }
        }
        self.apply(changes);
    }

    fn service_line(&mut self, name: &str, words: &[&str]) {
        let id: ServiceId = self.named(name);
        let old = self.state.service(id).cloned();
        let mut spec = old.as_ref().map_or_else(|| new_service(name), |old| (*old.spec).clone());
        let mut status = None;
        for word in words {
            match word.split_once('=') {
                Some(("status", state)) => status = Some(update_status(state, self.now)),
                Some(("network", network)) => spec.task_template.networks.push(NetworkAttachmentConfig {
                    target: self.network(network).to_string(),
                    ..NetworkAttachmentConfig::default()
                }),
                _ => set_service(&mut spec, word),
            }
        }
        let spec = Box::new(spec);
        let previous = old.map(|old| Box::new((*old.spec).clone()));
        self.apply(vec![match previous {
            None => Change::ServiceCreate { id, spec },
            Some(_) => Change::ServiceUpdate { id, spec, previous, update_status: status },
        }]);
    }

    fn task_line(&mut self, name: &str, words: &[&str]) {
        let known = self.task(name);
        let old = self.state.task(known).cloned();
        let mut status = old.as_ref().map(|task| task.status.clone()).unwrap_or_default();
        let (mut node, mut desired, mut networks) = (None, None, Vec::new());
        let mut restart = RestartPlan::default();
        for word in words {
            match word.split_once('=') {
                Some(("desired", state)) => desired = Some(task_state(state).unwrap()),
                Some(("attempts", count)) => restart.attempts = count.parse().unwrap(),
                Some(("not-before", at)) => restart.not_before = START.plus(duration(at)),
                Some(("err", err)) => status.err = err.into(),
                Some(("exit", code)) => {
                    let exit_code = code.parse().unwrap();
                    status.container = Some(ContainerStatus { exit_code, ..ContainerStatus::default() });
                }
                Some((key, mac)) if key.starts_with("mac.") => {
                    let address = key["mac.".len()..].parse().unwrap();
                    status.container.get_or_insert_default().macs.insert(address, mac.into());
                }
                Some((network, address)) => networks.push(self.address(network, address)),
                None => match task_state(word) {
                    Some(state) => status.state = state,
                    None => node = Some(self.node(word)),
                },
            }
        }
        status.timestamp = self.now;
        status.message = status.state.to_string();
        let mut changes = Vec::new();
        let id = if old.is_some() { known } else { self.named(name) };
        if old.is_none() {
            let (service, place) = name.trim_end_matches('\'').rsplit_once('.').unwrap();
            let service = self.service(service);
            let owner = self.state.service(service).unwrap_or_else(|| panic!("no service for {name}"));
            let (global, service_is_job) = (owner.is_by_node(), owner.is_job());
            let goal = if service_is_job { TaskState::Complete } else { TaskState::Running };
            let slot = if global { 0 } else { place.parse().unwrap() };
            let node = if global { Some(self.node(place)) } else { None };
            let desired = desired.unwrap_or(goal);
            changes.push(Change::TaskCreate { id, service, slot, node, desired, restart });
        }
        if !networks.is_empty() {
            changes.push(Change::TaskAllocate { id, networks });
        }
        if let Some(node) = node {
            let generic = old.as_ref().map(|task| task.generic.clone()).unwrap_or_default();
            changes.push(Change::TaskAssign { id, node, generic });
        }
        if old.is_some()
            && let Some(state) = desired
        {
            changes.push(Change::TaskDesire { id, state });
        }
        changes.push(Change::TaskReport { id, status });
        self.apply(changes);
    }

    /// Its value is its name; further words are labels.
    fn payload(&mut self, kind: &str, name: &str, labels: &[&str]) {
        let number = self.named::<TaskId>(name).number();
        let labels = labels.iter().map(|label| ((*label).to_owned(), String::new())).collect();
        let (name, data) = (name.to_owned(), name.as_bytes().into());
        self.apply(vec![if kind == "secret" {
            let spec = Box::new(SecretSpec { name, labels, data, ..SecretSpec::default() });
            let id = number.into();
            if self.state.secret(id).is_none() {
                Change::SecretCreate { id, spec }
            } else {
                Change::SecretUpdate { id, spec }
            }
        } else {
            let spec = Box::new(ConfigSpec { name, labels, data, ..ConfigSpec::default() });
            let id = number.into();
            if self.state.config(id).is_none() {
                Change::ConfigCreate { id, spec }
            } else {
                Change::ConfigUpdate { id, spec }
            }
        }]);
    }

    fn attach(&mut self, name: &str, words: &[&str]) {
        let node = self.node(words[0]);
        let pair = |word: &&str| word.split_once('=').map(|(network, address)| self.address(network, address));
        let networks = words[1..].iter().filter_map(pair).collect();
        let id = self.named(name);
        let container = format!("container-of-{name}");
        self.apply(vec![Change::AttachmentCreate {
            id,
            node,
            name: name.into(),
            container,
            networks,
            chosen: Vec::new(),
        }]);
    }

    fn address(&self, network: &str, address: &str) -> Attachment {
        Attachment { network: Some(self.network(network)), addresses: vec![address.into()], aliases: Vec::new() }
    }

    fn remove(&mut self, kind: &str, name: &str) {
        self.apply(vec![match kind {
            "node" => Change::NodeRemove { id: self.node(name) },
            "service" => Change::ServiceRemove { id: self.service(name) },
            "task" => Change::TaskRemove { id: self.task(name) },
            "network" => Change::NetworkRemove { id: self.network(name) },
            "secret" => Change::SecretRemove { id: number(name).into() },
            "config" => Change::ConfigRemove { id: number(name).into() },
            _ => panic!("cannot remove a {kind:?}"),
        }]);
    }

    fn print(&self, change: &Change) -> String {
        match change {
            Change::TaskCreate { id, desired, restart, .. } => {
                let mut line = format!("+ {}", self.name(id.number()));
                // What a task is made for needs no word.
                if !matches!(desired, TaskState::Running | TaskState::Complete) {
                    line.push_str(&format!(" desired={desired}"));
                }
                if restart.not_before > self.now {
                    line.push_str(&format!(" not-before={}", moment(restart.not_before)));
                }
                if restart.attempts > 0 {
                    line.push_str(&format!(" attempts={}", restart.attempts));
                }
                line
            }
            Change::AttachmentCreate { name, networks, .. } => format!("+ {name}{}", self.addresses(networks)),
            Change::TaskAllocate { id, networks } => {
                format!("~ {}{}", self.name(id.number()), self.addresses(networks))
            }
            Change::TaskAssign { id, node, generic } => {
                let given: String = variables(generic).iter().map(|given| format!(" {given}")).collect();
                format!("~ {} node={}{given}", self.name(id.number()), self.name(node.number()))
            }
            Change::TaskDesire { id, state } => format!("~ {} desired={state}", self.name(id.number())),
            Change::TaskRelease { id } => format!("~ {} released", self.name(id.number())),
            Change::TaskReport { id, status } => {
                let mut line = format!("~ {} {}", self.name(id.number()), status.state);
                for text in [&status.message, &status.err] {
                    if !text.is_empty() && *text != status.state.as_str() {
                        line.push_str(&format!(" {text:?}"));
                    }
                }
                line
            }
            Change::TaskBackoff { id, backoff } => format!("~ {} failed {backoff}", self.name(id.number())),
            Change::TaskRemove { id } => format!("- {}", self.name(id.number())),
            Change::ServiceUpdate { id, spec, update_status, .. } => {
                let image = spec.task_template.container_spec.as_ref().map_or("", |container| &container.image);
                format!("~ {} image={image}{}", self.name(id.number()), print_status(update_status.as_ref()))
            }
            Change::ServiceUpdateStatus { id, status } => {
                format!("~ {}{}", self.name(id.number()), print_status(status.as_ref()))
            }
            Change::ServiceEndpoint { id, endpoint } => {
                let mut line = format!("~ {}", self.name(id.number()));
                for vip in &endpoint.virtual_ips {
                    line.push_str(&format!(" {}={}", self.name(vip.network.number()), vip.address));
                }
                for port in &endpoint.ports {
                    let (published, target) = (port.published_port, port.target_port);
                    line.push_str(&format!(" port={published}:{target}/{}", port.protocol));
                }
                line
            }
            Change::NodeRemove { id } => format!("- {}", self.name(id.number())),
            Change::ServiceRemove { id } => format!("- {}", self.name(id.number())),
            Change::NetworkRemove { id } => format!("- {}", self.name(id.number())),
            other => format!("{other:?}"),
        }
    }

    fn addresses(&self, networks: &[Attachment]) -> String {
        let one = |attachment: &Attachment| {
            let network = attachment.network.map_or("-".into(), |network| self.name(network.number()));
            format!(" {network}={}", attachment.addresses.join(","))
        };
        networks.iter().map(one).collect()
    }
}

/// The number behind the identifier of whatever has this name. Short names are in the order of their numbers.
fn number(name: &str) -> u128 {
    let mut seed = [0; 32];
    for (to, from) in seed.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let mut first = [0; 8];
    first.copy_from_slice(&seed[..8]);
    let hash: u128 = IdSource::new(seed).fresh();
    u128::from(u64::from_be_bytes(first)) << 64 | hash >> 64
}

/// `500ms`, `10s`, `5m` or `24h` in nanoseconds.
pub(crate) fn duration(text: &str) -> i64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => SECOND / 1000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        unit => panic!("unknown unit {unit:?} in {text:?}"),
    };
    digits.parse::<i64>().unwrap() * unit
}

fn moment(at: Timestamp) -> String {
    match at.since(START) {
        whole if whole % SECOND == 0 => format!("{}s", whole / SECOND),
        part => format!("{}ms", part / (SECOND / 1000)),
    }
}

fn task_state(word: &str) -> Option<TaskState> {
    use TaskState::*;
    let all = [
        New, Pending, Assigned, Accepted, Preparing, Ready, Starting, Running, Complete, Shutdown, Failed, Rejected,
        Remove, Orphaned,
    ];
    all.into_iter().find(|state| state.as_str() == word)
}

fn update_status(state: &str, now: Timestamp) -> UpdateStatus {
    use UpdateState::*;
    let all = [Updating, Paused, Completed, RollbackStarted, RollbackPaused, RollbackCompleted];
    let state = all.into_iter().find(|known| known.as_str() == state).unwrap();
    UpdateStatus { state, started_at: Some(now), completed_at: None, message: String::new() }
}

fn print_status(status: Option<&UpdateStatus>) -> String {
    status.map_or(" update=none".into(), |status| format!(" update={} {:?}", status.state.as_str(), status.message))
}
