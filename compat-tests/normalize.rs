//! Redaction: replaces what differs between two runs of the same case by what it is, and keeps identity, so that the
//! same id twice is the same name twice. Pure. Decides nothing about equality; called by `case` on rendered text.
//!
//! A redaction earns its place by need: what two runs on the reference agree on stays as it is.

mod index;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::kinds::Kinds;

/// What is known of the run besides its text.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Kinds of ids and version indexes seen on the sockets.
    pub kinds: Kinds,
    /// (id, prefix) pairs that the case made with `prefix`.
    pub prefixes: Vec<(String, String)>,
    /// Addresses of the hosts, host 1 first.
    pub addresses: Vec<String>,
    /// The lab's folder, and within it `case` and the sockets.
    pub lab_dir: String,
    /// The engine's version, e.g. `28.5.2+dfsg4`.
    pub engine: String,
    /// The engine's newest API version, e.g. `1.51`.
    pub api: String,
    /// The kernel's release.
    pub kernel: String,
    /// Memory of the machine in bytes.
    pub memory: u64,
    /// Processors of the machine.
    pub cpus: u64,
}

/// The redacted text.
pub fn normalize(text: &str, facts: &Facts) -> String {
    let text = paths(text, facts);
    let text = secrets(&text);
    let text = index::ranks(&text, &facts.kinds);
    let text = times(&text);
    let text = ids(&text, facts);
    let text = machine(&text, facts);
    text.lines().map(|line| squeeze(line) + "\n").collect()
}

/// Gives out `<kind:N>`, N counting each kind's distinct values by first appearance.
#[derive(Default)]
struct Names(BTreeMap<String, BTreeMap<String, usize>>);

impl Names {
    fn number(&mut self, kind: &str, value: &str) -> usize {
        let known = self.0.entry(kind.to_owned()).or_default();
        let next = known.len() + 1;
        *known.entry(value.to_owned()).or_insert(next)
    }

    fn name(&mut self, kind: &str, value: &str) -> String {
        format!("<{kind}:{}>", self.number(kind, value))
    }
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).unwrap());
    };
}
use pattern;

/// Folders and sockets of the lab, also as the CLI escapes them in URLs.
fn paths(text: &str, facts: &Facts) -> String {
    let mut text = text.replace(&facts.lab_dir.replace('/', "%2F"), "<lab>").replace(&facts.lab_dir, "<lab>");
    text = text.replace("<lab>/case", "<dir>");
    pattern!(SOCKET, r"(?:unix://)?<lab>(?:/|%2F)h\d(?:/|%2F)(?:api|wire|engine|docker|gam)\.sock");
    SOCKET.replace_all(&text, "<socket>").into_owned()
}

/// Tokens, keys and certificates. The digest of the root and the secret of a token are named apart, because two
/// tokens of one swarm share the first.
fn secrets(text: &str) -> String {
    pattern!(TOKEN, r"\bSWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})\b");
    pattern!(UNLOCK, r"\bSWMKEY-1-[A-Za-z0-9+/]{43}");
    pattern!(PEM, r"(?s)-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----");
    // The fixed start of a P-256 public key in DER.
    pattern!(PUBLIC_KEY, r"\bMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA[A-Za-z0-9+/]{87}=?=?");
    let mut names = Names::default();
    let text = TOKEN.replace_all(text, |c: &Captures| {
        format!("SWMTKN-1-{}-{}", names.name("root", &c[1]), names.name("token", &c[2]))
    });
    let text = UNLOCK.replace_all(&text, |c: &Captures| format!("SWMKEY-1-{}", names.name("key", &c[0])));
    // The same certificate may stand in lines, indented lines, or one JSON string.
    let plain = |pem: &str| pem.replace("\\n", "").split_whitespace().collect::<String>();
    let text = PEM.replace_all(&text, |c: &Captures| names.name("pem", &plain(&c[0])));
    PUBLIC_KEY.replace_all(&text, |c: &Captures| names.name("public-key", &c[0])).into_owned()
}

/// Points in time, and spans counted from now. Zero times say "never" and stay.
fn times(text: &str) -> String {
    pattern!(
        STAMP,
        r"\b(\d{4})-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z\b|[+-]\d\d:\d\d| [+-]\d{4}(?: (?:UTC|utc))?)"
    );
    pattern!(EPOCH, r#"("(?:time|timeNano|Created)": )[1-9]\d{9,}"#);
    pattern!(
        AGO,
        r"\b(?:[Ll]ess than a second|[Aa]bout a minute|[Aa]bout an hour|\d+ (?:second|minute|hour|day)s?) ago\b"
    );
    pattern!(UP, r"\bUp (?:Less than a second|About a minute|About an hour|\d+ (?:second|minute)s?)\b");
    let text =
        STAMP.replace_all(text, |c: &Captures| if &c[1] == "0001" { c[0].to_owned() } else { "<time>".to_owned() });
    let text = EPOCH.replace_all(&text, "$1<time>");
    let text = AGO.replace_all(&text, "<ago>");
    UP.replace_all(&text, "Up <ago>").into_owned()
}

/// Ids in full, in the CLI's 12 characters, and in the prefixes that the case asked for.
fn ids(text: &str, facts: &Facts) -> String {
    pattern!(DIGEST, r"\bsha256:([0-9a-f]{64})\b");
    pattern!(FULL, r"\b(?:[0-9a-f]{64}|[0-9a-z]{25})\b");
    pattern!(WORD, r"\b[0-9a-z]+\b");
    let mut names = Names::default();
    let text = DIGEST.replace_all(text, |c: &Captures| names.name("digest", &c[1]));
    let known = |word: &str| facts.kinds.ids.get(word).copied();
    let mut short: BTreeMap<String, String> =
        facts.kinds.ids.keys().map(|id| (id[..12].to_owned(), id.clone())).collect();
    for full in FULL.find_iter(&text) {
        short.insert(full.as_str()[..12].to_owned(), full.as_str().to_owned());
    }
    WORD.replace_all(&text, |c: &Captures| {
        let word = &c[0];
        if FULL.is_match(word) {
            return names.name(known(word).unwrap_or("id"), word);
        }
        if let Some(id) = short.get(word) {
            return names.name(known(id).unwrap_or("id"), id);
        }
        match facts.prefixes.iter().find(|(_, prefix)| prefix == word) {
            Some((id, prefix)) => {
                let kind = known(id).unwrap_or("id");
                format!("<{kind}:{}~{}>", names.number(kind, id), prefix.len())
            }
            None => word.to_owned(),
        }
    })
    .into_owned()
}

/// Addresses of hosts, versions, and the size of the machine.
fn machine(text: &str, facts: &Facts) -> String {
    let mut text = text.to_owned();
    for (k, address) in facts.addresses.iter().enumerate() {
        text = whole_words(&text, address, &format!("<ip:h{}>", k + 1));
    }
    // Further addresses of the lab's network, such as one where no host is.
    if let Some(first) = facts.addresses.first()
        && let Some((network, _)) = first.rsplit_once('.')
        && let Ok(other) = Regex::new(&format!(r"\b{}\.(\d{{1,3}})\b", regex::escape(network)))
    {
        text = other.replace_all(&text, "<ip:$1>").into_owned();
    }
    for (value, name) in [(&facts.engine, "<engine>"), (&facts.kernel, "<kernel>")] {
        if !value.is_empty() {
            text = text.replace(value.as_str(), name);
        }
    }
    if !facts.api.is_empty() {
        text = text
            .replace(&format!("/v{}/", facts.api), "/v<api>/")
            .replace(&format!("Api-Version: {}\n", facts.api), "Api-Version: <api>\n");
    }
    // The port that the kernel chose for the near end of a connection, in errors of Go.
    pattern!(NEAR_PORT, r":[0-9]{4,5}->([0-9.]+:|<ip:)");
    let text = NEAR_PORT.replace_all(&text, ":<port>->$1");
    // A node's resources, and not a limit of the same size that a service set.
    pattern!(RESOURCES, r#""NanoCPUs": (\d+),(\s+(?:\*\s+)?)"MemoryBytes": (\d+)"#);
    pattern!(PRETTY, r"( CPUs:\s+)\d+(\s+Memory:\s+)[\d.]+[KMGT]iB");
    let text = PRETTY.replace_all(&text, "$1<cpus>$2<memory>");
    RESOURCES
        .replace_all(&text, |c: &Captures| {
            if c[1] == (facts.cpus * 1_000_000_000).to_string() && c[3] == facts.memory.to_string() {
                format!(r#""NanoCPUs": <cpus>,{}"MemoryBytes": <memory>"#, &c[2])
            } else {
                c[0].to_owned()
            }
        })
        .into_owned()
}

/// Replaces `word` where no digit, letter or further dotted part touches it.
fn whole_words(text: &str, word: &str, by: &str) -> String {
    let inside = |c: char| c.is_ascii_alphanumeric();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let touched = before.ends_with(inside) || after.starts_with(inside);
        out.push_str(before);
        out.push_str(if touched { word } else { by });
        rest = after;
    }
    out + rest
}

/// Columns of the CLI are as wide as the ids in them were: runs of blanks after the indentation become two.
fn squeeze(line: &str) -> String {
    pattern!(BLANKS, r" {2,}");
    // The two blanks or the tag that the transcript puts before every line are indentation too.
    let indent = line.len() - line.trim_start_matches(['*', '!', ' ']).len();
    let (indent, rest) = line.split_at(indent);
    format!("{indent}{}", BLANKS.replace_all(rest, "  ")).trim_end().to_owned()
}
