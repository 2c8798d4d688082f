//! A run as text: turns the prelude's record of a case (one tagged line per fact) into the transcript that goldens
//! keep: each step with its command, output, exit code and, where asked for, its socket exchange. Decides what of a
//! body is shown; `normalize` decides afterwards what of it is redacted. Pure; called by `case`.
//!
//! Tags: `$` command, `@` sort key, `>` stdout, `!` stderr, `=` exit code, `H` status and content type, `h` header,
//! `B` body, `W` exchange as JSON, `#` a remark between steps.

use serde::Deserialize;
use serde_json::Value;

use crate::kinds::segments;

const TAGS: &str = "$@>!=HhBW#";

/// Resources that Gam serves itself: the bodies of their answers are compared, of others only method, path and status.
const NATIVE: [&str; 7] = ["swarm", "nodes", "services", "tasks", "networks", "secrets", "configs"];

/// Lists whose order Docker does not promise, and the fields by which they are shown sorted. swarmkit lists by id,
/// which is random; dockerd lists networks in the order of a map. `by` in a case overrules this.
const UNORDERED: [(&str, &[&str]); 6] = [
    ("networks", &["Name", "Scope"]),
    ("nodes", &["Description.Hostname"]),
    ("services", &["Spec.Name"]),
    ("secrets", &["Spec.Name"]),
    ("configs", &["Spec.Name"]),
    ("tasks", &["Slot", "CreatedAt"]),
];

/// A header line of `api -i` that is not compared: the clock, and a length that ids and versions change.
const UNCOMPARED_HEADERS: [&str; 2] = ["date", "content-length"];

/// An exchange as `tee::line` writes it.
#[derive(Debug, Deserialize)]
struct Exchange {
    method: String,
    path: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Debug, Default)]
struct Step {
    command: String,
    sort_key: Option<String>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    code: Option<String>,
    status: Option<String>,
    headers: Vec<String>,
    body: String,
    wire: Vec<String>,
    remarks: Vec<String>,
}

/// Renders the whole record. Unredacted: ids, times and addresses are still the run's own.
pub fn render(record: &str) -> String {
    let mut out = String::new();
    let mut step: Option<Step> = None;
    for line in record.lines() {
        let (tag, rest) = tagged(line);
        let rest = rest.to_owned();
        if tag == "$" {
            step.take().iter().for_each(|step| step.render(&mut out));
            step = Some(Step { command: rest, ..Step::default() });
            continue;
        }
        let Some(current) = &mut step else {
            push(&mut out, "# ", &rest);
            continue;
        };
        match tag {
            // A time-out within a step has not got its exit code yet; later remarks stand between steps.
            "#" if current.code.is_none() && current.status.is_none() => current.remarks.push(rest),
            "#" => {
                step.take().iter().for_each(|step| step.render(&mut out));
                push(&mut out, "# ", &rest);
            }
            _ => current.take(tag, rest),
        }
    }
    step.iter().for_each(|step| step.render(&mut out));
    out
}

/// A tag and what it says. Any other line is text that follows a line break inside a command's argument, such as a
/// certificate's, with whatever letter it begins: it has the empty tag.
fn tagged(line: &str) -> (&str, &str) {
    let end = line.char_indices().nth(1).map_or(line.len(), |(end, _)| end);
    let (tag, rest) = line.split_at(end);
    match rest.strip_prefix(' ') {
        Some(said) if TAGS.contains(tag) => (tag, said),
        None if TAGS.contains(tag) && rest.is_empty() => (tag, rest),
        _ => ("", line),
    }
}

impl Step {
    fn take(&mut self, tag: &str, rest: String) {
        match tag {
            "@" => self.sort_key = Some(rest),
            ">" => self.stdout.push(rest),
            "!" => self.stderr.push(rest),
            "=" => self.code = Some(rest),
            "H" => self.status = Some(rest),
            "h" => self.headers.push(rest),
            "W" => self.wire.push(rest),
            "B" => {
                self.body.push_str(&rest);
                self.body.push('\n');
            }
            _ => self.command.push_str(&format!("\n{rest}")),
        }
    }

    fn render(&self, out: &mut String) {
        push(out, "$ ", &self.command);
        self.stdout.iter().for_each(|line| push(out, "  ", line));
        self.stderr.iter().for_each(|line| push(out, "! ", line));
        if let Some(status) = &self.status {
            push(out, "HTTP ", status);
            let compared = |line: &&String| {
                !UNCOMPARED_HEADERS.iter().any(|name| line.to_ascii_lowercase().starts_with(&format!("{name}:")))
            };
            let mut headers: Vec<&String> = self.headers.iter().filter(compared).collect();
            headers.sort();
            headers.iter().for_each(|line| push(out, "", line));
            let path = self.command.split(' ').find(|word| word.contains('/')).unwrap_or_default();
            let segments = segments(path.trim_matches('\''));
            let info = segments == ["info"];
            let keys = self.sort_key.as_deref().map_or_else(|| order(&segments), |key| vec![key]);
            body(&self.body, &keys, |value| if info { only_swarm(value) } else { Some(value) })
                .lines()
                .for_each(|line| push(out, "  ", line));
        }
        self.remarks.iter().for_each(|line| push(out, "# ", line));
        if let Some(code) = &self.code {
            push(out, "rc=", code);
        }
        self.wire.iter().for_each(|line| wire(line, out));
        out.push('\n');
    }
}

/// One exchange: what was asked, what came, and for Gam's own resources the body.
fn wire(line: &str, out: &mut String) {
    let Ok(exchange) = serde_json::from_str::<Exchange>(line) else {
        return push(out, "* ", line);
    };
    let header = |name: &str| {
        exchange.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    let kind = header("content-type").map(|kind| format!(" {kind}")).unwrap_or_default();
    push(out, "* ", &format!("{} {} {}{kind}", exchange.method, exchange.path, exchange.status));
    let segments = segments(&exchange.path);
    let shown = match segments.first().copied() {
        Some("_ping") => {
            for name in ["Api-Version", "Swarm"] {
                header(name).iter().for_each(|value| push(out, "*   ", &format!("{name}: {value}")));
            }
            return;
        }
        Some("info") => body(&exchange.body, &[], only_swarm),
        Some("events") => body(&exchange.body, &[], |event| (event["scope"] == "swarm").then_some(event)),
        Some(first) if NATIVE.contains(&first) => body(&exchange.body, &order(&segments), Some),
        _ => return,
    };
    shown.lines().for_each(|line| push(out, "*   ", line));
}

/// The sort keys of the list at this path, none when its order means something.
fn order<'a>(segments: &[&str]) -> Vec<&'a str> {
    let keys = UNORDERED.iter().find(|(name, _)| segments == [*name]).map(|(_, keys)| *keys);
    keys.unwrap_or_default().to_vec()
}

/// The only part of `/info` that swarm mode owns; the rest describes the machine.
fn only_swarm(info: Value) -> Option<Value> {
    match info.get("Swarm") {
        Some(swarm) => Some(serde_json::json!({ "Swarm": swarm })),
        None => Some(info),
    }
}

/// A body as text: JSON with a field per line, keys in the order given; anything else as it is.
fn body(text: &str, sort_keys: &[&str], show: impl Fn(Value) -> Option<Value>) -> String {
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let Ok(documents) = documents else { return text.to_owned() };
    let mut out = String::new();
    for mut document in documents.into_iter().filter_map(show) {
        if let Value::Array(items) = &mut document {
            items.sort_by_key(|item| {
                sort_keys.iter().map(|key| pick(item, key).unwrap_or_default()).collect::<Vec<_>>()
            });
        }
        // Serialising a value that was parsed cannot fail.
        out.push_str(&serde_json::to_string_pretty(&document).unwrap_or_default());
        out.push('\n');
    }
    out
}

/// A field by its dotted path, e.g. `Version.Index` or `0.ID`; strings without quotes.
pub fn pick(value: &Value, path: &str) -> Option<String> {
    let mut at = value;
    for word in path.split('.').filter(|word| !word.is_empty()) {
        at = match at {
            Value::Array(items) => items.get(word.parse::<usize>().ok()?)?,
            other => other.get(word)?,
        };
    }
    Some(at.as_str().map_or_else(|| at.to_string(), str::to_owned))
}

fn push(out: &mut String, prefix: &str, line: &str) {
    out.push_str(format!("{prefix}{line}").trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str, expected: &str) {
        assert_eq!(render(record), expected);
    }

    #[test]
    fn a_step_shows_command_output_errors_and_code() {
        check(
            "$ docker node ls\n> ID   NAME  \n>\n! no such\n= 1\n$ true\n= 0\n",
            "$ docker node ls\n  ID   NAME\n\n! no such\nrc=1\n\n$ true\nrc=0\n\n",
        );
    }

    #[test]
    fn an_api_step_shows_status_and_one_field_per_line_in_the_order_given() {
        check(
            "$ api GET /x\nH 200 application/json\nB {\"b\":null,\"a\":[],\"c\":{\"d\":0.5}}\n",
            "$ api GET /x\nHTTP 200 application/json\n  {\n    \"b\": null,\n    \"a\": [],\n    \"c\": {\n      \"d\": 0.5\n    }\n  }\n\n",
        );
        check("$ api GET /x\nH 400 text/plain\nB not json\n", "$ api GET /x\nHTTP 400 text/plain\n  not json\n\n");
        check("$ api GET /x\nH 204 \n", "$ api GET /x\nHTTP 204\n\n");
    }

    #[test]
    fn by_sorts_the_list_and_headers_come_sorted_without_the_clock() {
        check(
            "$ by A.B api -i GET /x\n@ A.B\nH 200 t\nh Z: 1\nh Date: now\nh A: 2\nB [{\"A\":{\"B\":\"y\"}},{\"A\":{\"B\":\"x\"}}]\n",
            "$ by A.B api -i GET /x\nHTTP 200 t\nA: 2\nZ: 1\n  [\n    {\n      \"A\": {\n        \"B\": \"x\"\n      }\n    },\n    {\n      \"A\": {\n        \"B\": \"y\"\n      }\n    }\n  ]\n\n",
        );
    }

    #[test]
    fn a_list_without_a_promised_order_is_sorted_and_any_other_is_not() {
        let body = r#"B [{"Name":"b"},{"Name":"a"}]"#;
        let shown = |path: &str| render(&format!("$ api GET {path}\nH 200 j\n{body}\n")).replace([' ', '\n'], "");
        assert!(shown("/v1.51/networks?filters=x").ends_with(r#"[{"Name":"a"},{"Name":"b"}]"#));
        assert!(shown("/images/json").ends_with(r#"[{"Name":"b"},{"Name":"a"}]"#));
    }

    #[test]
    fn of_info_only_the_swarm_section_is_shown() {
        check(
            "$ api GET /v1.51/info\nH 200 j\nB {\"ID\":\"x\",\"Swarm\":{\"NodeID\":\"\"}}\n",
            "$ api GET /v1.51/info\nHTTP 200 j\n  {\n    \"Swarm\": {\n      \"NodeID\": \"\"\n    }\n  }\n\n",
        );
    }

    #[test]
    fn wire_shows_bodies_of_swarm_resources_and_lines_of_all_others() {
        let wire = |path: &str, body: &str| {
            let headers = [("Content-Type", "application/json"), ("Swarm", "active/manager")];
            format!(
                "W {}\n",
                serde_json::json!({"method":"GET","path":path,"status":200,"headers":headers,"body":body})
            )
        };
        let record = format!(
            "$ wire docker x\n= 0\n{}{}{}{}",
            wire("/_ping", "OK"),
            wire("/v1.51/nodes", "[]"),
            wire("/v1.51/images/json", "[1]"),
            wire("/v1.51/events?a=b", "{\"scope\":\"local\"}\n{\"scope\":\"swarm\",\"Type\":\"node\"}\n"),
        );
        check(
            &record,
            "$ wire docker x\nrc=0\n* GET /_ping 200 application/json\n*   Swarm: active/manager\n* GET /v1.51/nodes 200 application/json\n*   []\n* GET /v1.51/images/json 200 application/json\n* GET /v1.51/events?a=b 200 application/json\n*   {\n*     \"scope\": \"swarm\",\n*     \"Type\": \"node\"\n*   }\n\n",
        );
    }

    #[test]
    fn remarks_stand_where_they_were_made() {
        check(
            "# first\n$ sleepy\n# did not end\n= 124\n# daemon kill\n$ true\n= 0\n",
            "# first\n$ sleepy\n# did not end\nrc=124\n\n# daemon kill\n$ true\nrc=0\n\n",
        );
    }

    #[test]
    fn a_line_break_inside_a_command_is_kept() {
        check("$ api POST /x '{\n}'\nH 400 t\n", "$ api POST /x '{\n}'\nHTTP 400 t\n\n");
        check("$ test '-\nWbase\nHbase\n-'\n= 0\n", "$ test '-\nWbase\nHbase\n-'\nrc=0\n\n");
    }

    #[test]
    fn picks_by_dotted_path() {
        let value = serde_json::json!({"Version":{"Index":7},"L":[{"ID":"a"}]});
        assert_eq!(pick(&value, "Version.Index").as_deref(), Some("7"));
        assert_eq!(pick(&value, "L.0.ID").as_deref(), Some("a"));
        assert_eq!(pick(&value, "L.1"), None);
    }
}
