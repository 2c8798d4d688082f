//! Placeholders in environment, mounts and host name: `{{.Service.Name}}`, `{{.Node.Hostname}}`, `{{.Task.Slot}}` …
//!
//! The part of Go's `text/template` that these fields are used with, as swarmkit's `template` package offers it: field
//! paths, `index` of the labels, `join`, quoted text, comments and the trim markers. Anything else is refused with a
//! sentence, never passed on unexpanded.

use crate::model::{ContainerSpec, Mount, NodeId, StringMap, Task};

use super::SpecError;

/// What a template may know of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The node.
    pub node: NodeId,
    /// The engine's `Name`.
    pub hostname: String,
    /// `x86_64`, as the engine names it.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

/// The spec with every placeholder replaced; errors are worded as swarmkit's `template/expand.go` words them.
pub(super) fn expand(spec: &ContainerSpec, task: &Task, host: &Host) -> Result<ContainerSpec, SpecError> {
    let scope = Scope { task, host };
    let mut spec = spec.clone();
    for entry in &mut spec.env {
        if let Some((name, value)) = entry.split_once('=') {
            let value = scope
                .expand(value)
                .map_err(|error| SpecError(format!("expanding env failed: expanding env {entry:?}: {error}")))?;
            *entry = format!("{name}={value}");
        }
    }
    for mount in &mut spec.mounts {
        expand_mount(&scope, mount).map_err(|error| SpecError(format!("expanding mounts failed: {error}")))?;
    }
    spec.hostname =
        scope.expand(&spec.hostname).map_err(|error| SpecError(format!("expanding hostname failed: {error}")))?;
    Ok(spec)
}

fn expand_mount(scope: &Scope<'_>, mount: &mut Mount) -> Result<(), String> {
    mount.source =
        scope.expand(&mount.source).map_err(|error| format!("expanding mount source {:?}: {error}", mount.source))?;
    mount.target =
        scope.expand(&mount.target).map_err(|error| format!("expanding mount target {:?}: {error}", mount.target))?;
    if let Some(options) = &mut mount.volume_options {
        expand_map(scope, &mut options.labels).map_err(|error| format!("expanding volume labels: {error}"))?;
        if let Some(driver) = &mut options.driver_config {
            expand_map(scope, &mut driver.options)
                .map_err(|error| format!("expanding volume driver config: {error}"))?;
        }
    }
    Ok(())
}

fn expand_map(scope: &Scope<'_>, map: &mut StringMap) -> Result<(), String> {
    for (key, value) in map {
        let expanded =
            scope.expand(value).map_err(|error| format!("expanding map entry {key:?}={value:?}: {error}"))?;
        *value = expanded;
    }
    Ok(())
}

struct Scope<'a> {
    task: &'a Task,
    host: &'a Host,
}

impl Scope<'_> {
    fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let (before, after) = (&rest[..open], &rest[open + 2..]);
            let Some(close) = after.find("}}") else {
                return Err("template: expansion:1: unclosed action".into());
            };
            let mut action = &after[..close];
            rest = &after[close + 2..];
            // `{{- ` and ` -}}` eat the white space outside.
            match action.strip_prefix("- ") {
                Some(trimmed) => {
                    action = trimmed;
                    out.push_str(before.trim_end());
                }
                None => out.push_str(before),
            }
            if let Some(trimmed) = action.strip_suffix(" -") {
                action = trimmed;
                rest = rest.trim_start();
            }
            let action = action.trim();
            if action.starts_with("/*") && action.ends_with("*/") {
                continue;
            }
            let column = text.find(action).unwrap_or_default();
            out.push_str(&self.action(action, column)?);
        }
        out.push_str(rest);
        Ok(out)
    }

    fn action(&self, action: &str, column: usize) -> Result<String, String> {
        let words = words(action)?;
        match words.as_slice() {
            [] => Err("template: expansion:1: missing value for command".into()),
            [word] => self.value(word, column),
            [Word::Bare("index"), Word::Bare(".Service.Labels"), key] => {
                let key = self.value(key, column)?;
                // Go's `index` of a missing key is the zero value.
                Ok(self.task.origin.labels.get(&key).cloned().unwrap_or_default())
            }
            [Word::Bare("join"), separator, parts @ ..] => {
                let separator = self.value(separator, column)?;
                let parts: Vec<String> =
                    parts.iter().map(|part| self.value(part, column)).collect::<Result<_, String>>()?;
                Ok(parts.join(&separator))
            }
            _ => Err(format!("template: expansion:1: unsupported action {{{{{action}}}}}")),
        }
    }

    fn value(&self, word: &Word<'_>, column: usize) -> Result<String, String> {
        match word {
            Word::Quoted(text) => Ok(text.clone()),
            Word::Bare(path) if path.starts_with('.') => self.field(path, column),
            Word::Bare(name) => Err(format!("template: expansion:1: function {name:?} not defined")),
        }
    }

    fn field(&self, path: &str, column: usize) -> Result<String, String> {
        let (task, host) = (self.task, self.host);
        let text = match path {
            ".Service.ID" => task.service.map(|id| id.to_string()).unwrap_or_default(),
            ".Service.Name" => task.service_name().to_owned(),
            ".Service.Labels" => go_map(&task.origin.labels),
            ".Node.ID" => host.node.to_string(),
            ".Node.Hostname" => host.hostname.clone(),
            ".Node.Platform" => format!("{{{} {}}}", host.architecture, host.os),
            ".Node.Platform.Architecture" => host.architecture.clone(),
            ".Node.Platform.OS" => host.os.clone(),
            ".Task.ID" => task.id.to_string(),
            ".Task.Name" => task.name(),
            ".Task.Slot" if task.slot == 0 => host.node.to_string(),
            ".Task.Slot" => task.slot.to_string(),
            _ => return self.unknown_field(path, column),
        };
        Ok(text)
    }

    fn unknown_field(&self, path: &str, column: usize) -> Result<String, String> {
        let fail = |reason: String| {
            Err(format!("template: expansion:1:{column}: executing \"expansion\" at <{path}>: {reason}"))
        };
        if let Some(key) = path.strip_prefix(".Service.Labels.") {
            return match self.task.origin.labels.get(key) {
                Some(value) => Ok(value.clone()),
                None => fail(format!("map has no entry for key {key:?}")),
            };
        }
        let (owner, field) = path.rsplit_once('.').unwrap_or(("", path));
        let owner = match owner {
            ".Service" => "struct { ID string; Name string; Labels map[string]string }",
            ".Node" => "struct { ID string; Hostname string; Platform template.Platform }",
            ".Node.Platform" => "template.Platform",
            ".Task" => "struct { ID string; Name string; Slot string }",
            _ => "*template.Context",
        };
        fail(format!("can't evaluate field {field} in type {owner}"))
    }
}

/// A map as Go prints it.
fn go_map(map: &StringMap) -> String {
    let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("map[{}]", entries.join(" "))
}

enum Word<'a> {
    Bare(&'a str),
    Quoted(String),
}

/// Splits an action into words; a quoted text is one word.
fn words(action: &str) -> Result<Vec<Word<'_>>, String> {
    let mut words = Vec::new();
    let mut rest = action.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '`' {
            let Some(end) = closing_quote(&rest[1..], first) else {
                return Err("template: expansion:1: unterminated quoted string".into());
            };
            let text = &rest[1..=end];
            let text = if first == '"' { text.replace("\\\"", "\"").replace("\\\\", "\\") } else { text.to_owned() };
            words.push(Word::Quoted(text));
            rest = rest[end + 2..].trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(Word::Bare(&rest[..end]));
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        closes.then_some(at)
    })
}
