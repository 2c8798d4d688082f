//! The two targets with one interface: dockerd's own swarm mode, and Gam in front of that very dockerd. The only
//! difference for a case is the socket behind its tee. A `Site` is a lab with the target started on every host.
//! Called by `main`, `case` and `sweep`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::http1;
use crate::kinds::Kinds;
use crate::lab::Lab;
use crate::normalize::Facts;
use crate::tee::{self, Sink};

/// Who plays swarm mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// dockerd itself.
    Reference,
    /// The `gam` binary at this path.
    Gam(PathBuf),
}

impl Target {
    /// The word for cases (`TARGET`) and for people.
    pub fn name(&self) -> &'static str {
        match self {
            Target::Reference => "reference",
            Target::Gam(_) => "gam",
        }
    }

    fn socket(&self) -> &'static str {
        match self {
            Target::Reference => "docker.sock",
            Target::Gam(_) => "gam.sock",
        }
    }
}

/// A lab in which the target runs, with tees in front of every socket.
pub struct Site {
    /// The lab beneath.
    pub lab: Lab,
    /// Who plays swarm mode here.
    pub target: Target,
    /// What the tees learned since the case began.
    pub kinds: Arc<Mutex<Kinds>>,
    /// What holds for every case: addresses, versions, the machine.
    pub facts: Facts,
    /// How each host looks when nothing runs on it.
    pub baseline: Vec<Baseline>,
}

/// What a clean host has; more than this after a case is a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// Names of network links.
    pub links: Vec<String>,
    /// Image tags and ids.
    pub images: Vec<String>,
}

impl Site {
    /// Brings up the lab, the target on each host, and the tees.
    ///
    /// # Errors
    /// When any of it does not come up.
    pub fn up(tests: &Path, name: &str, hosts: usize, keep: bool, target: &Target) -> Result<Site> {
        let lab = Lab::up(tests, name, hosts, keep)?;
        let mut site =
            Site { lab, target: target.clone(), kinds: Arc::default(), facts: Facts::default(), baseline: Vec::new() };
        site.start_all()?;
        site.facts = site.facts()?;
        site.baseline = (1..=hosts).map(|k| site.baseline_of(k)).collect::<Result<_>>()?;
        Ok(site)
    }

    /// A new lab under the same name, for when cleaning failed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn rebuild(&mut self) -> Result<()> {
        self.lab.again()?;
        self.start_all()
    }

    fn start_all(&self) -> Result<()> {
        for k in 1..=self.lab.hosts() {
            self.start(k)?;
            for (name, upstream) in
                [("api", self.target.socket()), ("wire", self.target.socket()), ("engine", "docker.sock")]
            {
                let sink = Sink { kinds: Arc::clone(&self.kinds), log: self.lab.file(k, &format!("{name}.log")) };
                let socket = self.lab.file(k, &format!("{name}.sock"));
                tee::listen(&socket, &self.lab.file(k, upstream), &sink)
                    .with_context(|| format!("cannot listen on {}", socket.display()))?;
            }
        }
        Ok(())
    }

    /// Ends every fault that a case made on host `k`.
    ///
    /// # Errors
    /// When the lab cannot do it.
    pub fn mend(&self, k: usize) -> Result<()> {
        self.script(&["mend", &k.to_string()])
    }

    /// The lab's script, told which Gam it starts.
    fn script(&self, words: &[&str]) -> Result<()> {
        let mut command = self.lab.command(words);
        if let Target::Gam(binary) = &self.target {
            command.env("GAM_BIN", binary);
        }
        let status = command.stdin(Stdio::null()).status().context("cannot run the lab script")?;
        anyhow::ensure!(status.success(), "lab {} failed", words.join(" "));
        Ok(())
    }

    /// Starts what serves swarm mode on host `k`, and the dockerd beneath it; what runs already stays.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn start(&self, k: usize) -> Result<()> {
        self.script(&["start", &k.to_string()])?;
        if let Target::Gam(_) = self.target { self.script(&["gam-start", &k.to_string()]) } else { Ok(()) }
    }

    /// Asks the target on host `k`; the answer's status and JSON (null if there is none).
    ///
    /// # Errors
    /// When nobody answers.
    pub fn ask(&self, k: usize, method: &str, path: &str) -> Result<(u16, Value)> {
        self.request(k, self.target.socket(), method, path)
    }

    /// Asks the dockerd beneath.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn ask_engine(&self, k: usize, method: &str, path: &str) -> Result<(u16, Value)> {
        self.request(k, "docker.sock", method, path)
    }

    fn request(&self, k: usize, socket: &str, method: &str, path: &str) -> Result<(u16, Value)> {
        let exchange = http1::request(&self.lab.file(k, socket), method, path)
            .with_context(|| format!("host {k}: {method} {path}"))?;
        Ok((exchange.status, serde_json::from_slice(&exchange.body).unwrap_or(Value::Null)))
    }

    fn facts(&self) -> Result<Facts> {
        let (_, version) = self.ask_engine(1, "GET", "/version")?;
        let (_, info) = self.ask_engine(1, "GET", "/info")?;
        let text = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
        Ok(Facts {
            addresses: (1..=self.lab.hosts())
                .map(|k| self.lab.ask(&["addr", &k.to_string()]))
                .collect::<Result<_>>()?,
            lab_dir: self.lab.dir().display().to_string(),
            engine: text("Version"),
            api: text("ApiVersion"),
            kernel: text("KernelVersion"),
            memory: info["MemTotal"].as_u64().unwrap_or_default(),
            cpus: info["NCPU"].as_u64().unwrap_or_default(),
            ..Facts::default()
        })
    }

    /// How host `k` looks now.
    ///
    /// # Errors
    /// When its dockerd does not answer.
    pub fn baseline_of(&self, k: usize) -> Result<Baseline> {
        let links = self.lab.ask(&["exec", &k.to_string(), "ip", "-o", "link"])?;
        let mut links: Vec<String> = links
            .lines()
            .filter_map(|line| line.split(": ").nth(1))
            .map(|name| name.split('@').next().unwrap_or(name).to_owned())
            .collect();
        links.sort();
        let (_, images) = self.ask_engine(k, "GET", "/images/json")?;
        let mut images: Vec<String> = images
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|image| {
                let tags = image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
                tags.chain(image["Id"].as_str()).map(str::to_owned)
            })
            .collect();
        images.sort();
        Ok(Baseline { links, images })
    }
}
