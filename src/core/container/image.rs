//! Image names as Docker shortens them (`distribution/reference`: normalize, then familiar).

/// The name under which Docker shows an image and asks for it: `docker.io/library/` dropped, `:latest` added where
/// there is neither tag nor digest. A text that is no image name comes back unchanged.
pub fn familiar_image(raw: &str) -> String {
    let (name, digest) = match raw.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (raw, None),
    };
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].split_once(':') {
        Some((last, tag)) => (&name[..slash + last.len()], Some(tag)),
        None => (name, None),
    };
    let (domain, rest) = split_domain(path);
    let is_hex_id = raw.len() == 64 && raw.bytes().all(|byte| byte.is_ascii_hexdigit());
    if rest.is_empty() || is_hex_id || rest.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_whitespace())
    {
        return raw.to_owned();
    }
    let mut familiar = match domain {
        Some("docker.io" | "index.docker.io") => rest.strip_prefix("library/").unwrap_or(rest).to_owned(),
        Some(domain) => format!("{domain}/{rest}"),
        None => rest.to_owned(),
    };
    match (tag, digest) {
        (None, None) => familiar.push_str(":latest"),
        _ => {
            if let Some(tag) = tag {
                familiar = format!("{familiar}:{tag}");
            }
            if let Some(digest) = digest {
                familiar = format!("{familiar}@{digest}");
            }
        }
    }
    familiar
}

/// The first part is a registry if it looks like a host: it has a dot or a port, is `localhost`, or has capitals,
/// which a repository may not.
fn split_domain(path: &str) -> (Option<&str>, &str) {
    match path.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (Some(first), rest)
        }
        _ => (None, path),
    }
}

#[cfg(test)]
mod tests {
    use super::familiar_image;

    #[test]
    fn shortens_as_docker_does() {
        for (raw, familiar) in [
            ("busybox", "busybox:latest"),
            ("busybox:1.36", "busybox:1.36"),
            ("docker.io/library/busybox", "busybox:latest"),
            ("docker.io/busybox", "busybox:latest"),
            ("library/busybox", "library/busybox:latest"),
            ("docker.io/org/app:2", "org/app:2"),
            ("org/app", "org/app:latest"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("localhost:5000/a/b:3", "localhost:5000/a/b:3"),
            ("localhost/a", "localhost/a:latest"),
            ("busybox@sha256:ab", "busybox@sha256:ab"),
            ("docker.io/library/busybox:1@sha256:ab", "busybox:1@sha256:ab"),
            ("sha256:0aa3ce593ebe", "sha256:0aa3ce593ebe"),
            ("Upper", "Upper"),
            ("", ""),
        ] {
            assert_eq!(familiar_image(raw), familiar, "{raw}");
        }
    }
}
