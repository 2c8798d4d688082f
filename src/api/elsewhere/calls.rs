//! What may be asked of a container on another node: one table for the manager that asks and for the node that answers.
//!
//! Nothing in it makes or removes a container, or looks at anything but one container.

/// What a call is about.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api) enum Subject<'a> {
    /// A container, by whatever name; and the rest of the path.
    Container(&'a str, &'a str),
    /// A process started in a container, by its id.
    Exec(&'a str),
}

const OF_CONTAINERS: &[(&str, &[&str])] = &[
    ("GET", &["json", "logs", "stats", "top", "changes", "archive", "attach/ws"]),
    ("HEAD", &["archive"]),
    ("PUT", &["archive"]),
    ("POST", &["attach", "exec", "kill", "wait", "resize", "restart", "stop"]),
];
const OF_EXECS: &[(&str, &[&str])] = &[("GET", &["json"]), ("POST", &["start", "resize"])];

/// What a call is about, if it may be asked across nodes; the path is without its version.
pub(in crate::api) fn subject<'a>(method: &str, path: &'a str) -> Option<Subject<'a>> {
    let is_in =
        |calls: &[(&str, &[&str])], rest: &str| calls.iter().any(|(of, rests)| *of == method && rests.contains(&rest));
    let (kind, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (name, rest) = rest.split_once('/')?;
    match kind {
        _ if !is_plain(name) => None,
        "containers" if is_in(OF_CONTAINERS, rest) => Some(Subject::Container(name, rest)),
        "exec" if is_in(OF_EXECS, rest) => Some(Subject::Exec(name)),
        _ => None,
    }
}

/// Names of containers are of such letters only; what Go's router would clean or unescape is dockerd's.
fn is_plain(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.bytes().all(is_letter) && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Whether this is a whole id of dockerd's.
pub(super) fn is_whole_id(name: &str) -> bool {
    name.len() == 64 && is_hex(name)
}

pub(super) fn is_hex(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_about_one_container_cross_nodes() {
        assert_eq!(subject("GET", "/containers/web.1.x/logs"), Some(Subject::Container("web.1.x", "logs")));
        assert_eq!(subject("PUT", "/containers/c/archive"), Some(Subject::Container("c", "archive")));
        assert_eq!(subject("GET", "/containers/c/attach/ws"), Some(Subject::Container("c", "attach/ws")));
        assert_eq!(subject("POST", "/exec/e/start"), Some(Subject::Exec("e")));
        for (method, path) in [
            ("POST", "/containers/create"),
            ("GET", "/containers/json"),
            ("POST", "/containers/c/start"),
            ("POST", "/containers/c/update"),
            ("POST", "/containers/c/rename"),
            ("DELETE", "/containers/c"),
            ("DELETE", "/containers/c/json"),
            ("GET", "/containers/c/export"),
            ("GET", "/containers/../json"),
            ("GET", "/containers//json"),
            ("GET", "/containers/%2e%2e/json"),
            ("GET", "/containers/c/json/"),
            ("POST", "/commit"),
            ("GET", "/images/c/json"),
            ("POST", "/build"),
            ("POST", "/session"),
            ("POST", "/exec/e"),
        ] {
            assert_eq!(subject(method, path), None, "{method} {path}");
        }
    }
}
