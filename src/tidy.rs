//! Policy as a test: who may use whom, which library may appear where, how long files and functions may be, and whether
//! the documents say what the code does. What stands in these tables is the architecture; a change of it is a change here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file without its tests.
const FILE_MAX: usize = 600;
/// Lines of a function.
const FUNCTION_MAX: usize = 70;

/// Which modules of the daemon a module may use. Dependencies run one way.
const MAY_USE: &[(&str, &[&str])] = &[
    ("start", &["agent", "api", "config", "engine", "network", "node", "vital"]),
    ("api", &["config", "engine", "manager", "network", "node"]),
    ("node", &["agent", "ca", "dispatcher", "engine", "manager", "network", "vital"]),
    ("dispatcher", &["manager", "seal", "vital"]),
    ("agent", &["engine", "network", "seal", "vital"]),
    ("network", &["engine", "manager", "vital"]),
    ("logging", &["config"]),
    ("manager", &["vital"]),
    ("engine", &[]),
    ("config", &[]),
    ("seal", &[]),
    ("vital", &[]),
    ("ca", &[]),
];

/// Libraries that only some places may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("bollard::", &["src/engine.rs", "src/engine/"]),
    ("openraft::", &["src/store/"]),
    ("redb::", &["src/store/"]),
    ("rtnetlink::", &["src/network.rs", "src/network/"]),
    ("hickory_proto::", &["src/network/"]),
    ("netlink_sys::", &["src/network/"]),
    ("socket2::", &["src/network/"]),
    ("boringtun::", &["src/network/crypt/"]),
    ("tun_rs::", &["src/network/crypt/"]),
    ("genetlink::", &["src/network/crypt/"]),
    ("netlink_packet_core::", &["src/network/crypt/"]),
    ("netlink_packet_generic::", &["src/network/crypt/"]),
    ("netlink_packet_wireguard::", &["src/network/crypt/"]),
    ("axum::", &["src/api.rs", "src/api/"]),
    ("rcgen::", &["src/ca.rs", "src/ca/"]),
    ("tonic::", &["src/rpc/"]),
    ("prost::", &["src/rpc/"]),
    ("protox::", &["src/rpc/build.rs"]),
    ("chacha20poly1305::", &["src/seal.rs", "src/store/keys.rs"]),
    ("clap::", &["src/config.rs", "src/config/", "src/main.rs", "compat-tests/"]),
];

/// Where tasks may be started that fail alone, and why nobody depends on them. All others are started by `vital::spawn`.
const MAY_FAIL: &[(&str, &str)] = &[
    ("src/vital.rs", "starts the others"),
    ("src/api/", "one request or connection each"),
    ("src/agent/images.rs", "one image; its waiters see the end of the channel"),
    ("src/ca/external.rs", "the connection of one call"),
    ("src/engine/containers/http.rs", "the connection of one call"),
    ("src/engine/networks.rs", "one stream of events, which its reader opens anew"),
    ("src/network/crypt/kernel.rs", "the socket of one call"),
    ("src/network/crypt/link.rs", "the socket of one call"),
    ("src/network/discovery.rs", "one address to listen on, begun anew when it ends"),
    ("src/network/interfaces.rs", "the socket of one call"),
    ("src/network/mesh.rs", "the socket of one call"),
    ("src/network/mesh/", "one port or one call, begun anew when it ends"),
    ("src/network/neighbours.rs", "a socket whose calls then fail"),
    ("src/network/overlay/kernel.rs", "a socket whose calls then fail"),
    ("src/network/resolver.rs", "one question or stream of questions each"),
    ("src/start.rs", "done once, at the start"),
];

/// What the pure core must not name: files, sockets, clocks, threads, chance.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "tokio::",
    "hyper::",
    "axum::",
    "bollard::",
    "openraft::",
    "rustix::",
    "rand::",
    "async fn",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files under a directory, as paths from the root with their texts.
fn sources(directory: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn is_test(name: &str) -> bool {
    let name = Path::new(name);
    name.components().any(|part| part.as_os_str() == "tests")
        || matches!(name.file_name().and_then(|name| name.to_str()), Some("tests.rs" | "tidy.rs" | "fixture.rs"))
}

/// The text before the tests that stand at the end of a file.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Comments may name what code may not.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(without_tests(text).lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn dependencies_run_one_way() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, text) in sources("src") {
        let module = name.strip_prefix("src/").unwrap().split(['/', '.']).next().unwrap();
        if is_test(&name) || matches!(module, "core" | "rpc" | "store" | "lib" | "main") {
            continue;
        }
        let Some(allowed) = table.get(module) else {
            wrong.push(format!("{name}: the module {module} is not in the table of dependencies"));
            continue;
        };
        for (number, line) in code(&text) {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if used != module && table.contains_key(used) && !allowed.contains(&used) {
                    wrong.push(format!("{name}:{number}: {module} may not use {used}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for (name, text) in sources("src").into_iter().filter(|(name, _)| !is_test(name)) {
        for (number, line) in code(&text) {
            for (library, places) in ONLY_IN {
                let named = line
                    .match_indices(library)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
                if named && !places.iter().any(|place| name.starts_with(place)) {
                    wrong.push(format!("{name}:{number}: {library} belongs in {places:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_that_is_needed_dies_unnoticed() {
    let mut wrong = Vec::new();
    for (name, text) in sources("src").into_iter().filter(|(name, _)| !is_test(name)) {
        let is_elsewhere = ["src/core/", "src/rpc/", "src/store/"].iter().any(|other| name.starts_with(other));
        if is_elsewhere || MAY_FAIL.iter().any(|(place, _)| name.starts_with(place)) {
            continue;
        }
        let spawns = code(&text).filter(|(_, line)| line.contains("tokio::spawn("));
        wrong
            .extend(spawns.map(|(number, _)| format!("{name}:{number}: see vital::spawn, or say in MAY_FAIL why not")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (name, text) in sources("src/core").into_iter().filter(|(name, _)| !is_test(name)) {
        for (number, line) in code(&text) {
            for word in IMPURE.iter().filter(|word| line.contains(*word)) {
                wrong.push(format!("{name}:{number}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    let all = sources("src").into_iter().chain(sources("compat-tests"));
    for (name, text) in all.filter(|(name, _)| !is_test(name)) {
        let text = without_tests(&text);
        let lines = text.lines().count();
        if lines > FILE_MAX {
            wrong.push(format!("{name}: {lines} lines, at most {FILE_MAX}"));
        }
        wrong.extend(
            long_functions(text)
                .into_iter()
                .map(|(at, lines)| format!("{name}:{at}: a function of {lines} lines, at most {FUNCTION_MAX}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where functions begin that are too long, and how long they are; rustfmt makes their braces line up.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_function = line.trim_start().split("fn ").next().is_some_and(|before| {
            line.contains("fn ")
                && before
                    .split(' ')
                    .all(|word| matches!(word, "" | "pub" | "async" | "const") || word.starts_with("pub("))
        });
        if !is_function {
            continue;
        }
        let closing = format!("{indent}}}");
        let length = lines[at..].iter().position(|line| *line == closing).map_or(0, |end| end + 1);
        if length > FUNCTION_MAX {
            long.push((at + 1, length));
        }
    }
    long
}

#[test]
fn every_module_says_what_it_is() {
    let all = sources("src").into_iter().chain(sources("compat-tests"));
    let all = all.filter(|(name, _)| !is_test(name));
    let silent: Vec<String> = all.filter(|(_, text)| !text.starts_with("//!")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "no //! at the top of {silent:?}");
}

/// One row of `api-spec/routes.toml`.
struct Row {
    method: String,
    path: String,
    way: String,
    what: String,
}

/// What a sentence says of something that is to come.
const NOT_YET: [&str; 2] = [" is not honoured by gam yet", " are not honoured by gam yet"];

#[test]
fn the_changelog_names_all_that_is_refused_for_now() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let section = changelog.split("### Not honoured yet").nth(1).expect("the section").split("\n#").next().unwrap();
    let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut refused = Vec::new();
    for text in ["src/core", "src/api"].into_iter().flat_map(sources).filter(|(name, _)| !is_test(name)) {
        for (_, line) in code(&text.1) {
            let sentences = NOT_YET.iter().filter_map(|end| line.split(end).next().filter(|before| *before != line));
            let named = line.split("not_honoured(\"").skip(1).filter_map(|rest| rest.split('"').next());
            let subjects = sentences.map(|before| before.rsplit('"').next().unwrap()).chain(named);
            // What is filled in is named by whoever fills it in.
            refused.extend(subjects.filter(|subject| !subject.contains('{')).map(str::to_owned));
        }
    }
    // Fewer and fewer; none would mean that they are not found.
    assert!(!refused.is_empty());
    // The section says "Of networks" once.
    let is_named = |subject: &String| {
        let subject = subject.trim_end_matches(" on swarm networks");
        words.contains(subject) || subject.split(" and ").all(|part| words.contains(part))
    };
    let missing: Vec<_> = refused.iter().filter(|subject| !is_named(subject)).collect();
    assert!(missing.is_empty(), "CHANGELOG.md, \"Not honoured yet\", does not say: {missing:?}");
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("api-spec/routes.toml")).unwrap();
    let document: toml::Table = text.parse().unwrap();
    let field = |row: &toml::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let row = |row: &toml::Value| Row {
        method: field(row, "method"),
        path: field(row, "path"),
        way: field(row, "way"),
        what: field(row, "what"),
    };
    document["route"].as_array().unwrap().iter().map(row).collect()
}

/// The paths that the route tables of the code name.
fn routed() -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (_, text) in sources("src/api").into_iter().filter(|(name, _)| !is_test(name)) {
        for piece in without_tests(&text).split(".route(").skip(1) {
            paths.insert(piece.trim_start().trim_start_matches('"').split('"').next().unwrap().to_owned());
        }
    }
    paths
}

#[test]
fn every_route_has_its_row() {
    let listed: BTreeSet<String> = rows().into_iter().filter(|row| row.way != "proxied").map(|row| row.path).collect();
    let routed = routed();
    assert_eq!(listed.difference(&routed).collect::<Vec<_>>(), Vec::<&String>::new(), "rows without a route");
    assert_eq!(routed.difference(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "routes without a row");
}

#[test]
fn the_readme_shows_the_routes() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = readme.split("<!-- routes -->\n").nth(1).and_then(|rest| rest.split("<!-- /routes -->").next());
    let mut table = String::from("| request | way | what Gam does |\n| --- | --- | --- |\n");
    for row in rows() {
        table.push_str(&format!("| `{} {}` | {} | {} |\n", row.method, row.path, row.way, row.what));
    }
    assert_eq!(shown, Some(table.as_str()), "the README's table of routes is stale; it should be:\n{table}");
}
