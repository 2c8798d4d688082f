//! Whether a text names an image: the grammar of `github.com/distribution/reference`, as dockerd 28.5 applies it.
//!
//! Only yes or no: what the name stands for is the engine's to say.

/// Longest path of a repository, `library/` included.
const MAX_PATH: usize = 255;
/// Longest tag.
const MAX_TAG: usize = 128;
/// Length of a SHA-256 digest in hexadecimal digits; a bare name that looks like one is refused as ambiguous.
const ID_LENGTH: usize = 64;

/// Whether `text` is a repository with or without registry, tag and digest.
pub(super) fn is_image(text: &str) -> bool {
    if text.len() == ID_LENGTH && text.bytes().all(is_lower_hex) {
        return false;
    }
    let (domain, rest) = split_domain(text);
    // Capital letters are refused in the name, not in the tag.
    if rest.split(':').next().is_some_and(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
        return false;
    }
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (rest, None),
    };
    let (directory, last) = rest.rsplit_once('/').map_or(("", rest), |(directory, last)| (directory, last));
    let (last, tag) = match last.split_once(':') {
        Some((last, tag)) => (last, Some(tag)),
        None => (last, None),
    };
    let path_length = rest.len() - tag.map_or(0, |tag| tag.len() + 1);
    // A bare name of the default registry is short for `library/NAME`.
    let path_length =
        if domain.is_none() && !rest.contains('/') { "library/".len() + path_length } else { path_length };
    let directories_ok = (directory.is_empty() && !rest.starts_with('/')) || directory.split('/').all(is_component);
    path_length <= MAX_PATH
        && domain.is_none_or(|domain| is_domain(domain) || is_component(domain))
        && directories_ok
        && is_component(last)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

/// The registry, if the part before the first slash looks like one; else the whole belongs to the default registry.
fn split_domain(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some(("docker.io" | "index.docker.io", rest)) => (None, rest),
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (Some(first), rest)
        }
        _ => (None, text),
    }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Small letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let mut runs = text.split(plain).filter(|run| !run.is_empty());
    text.starts_with(plain) && text.ends_with(plain) && runs.all(separators)
}

/// A host name or an IPv6 address in brackets, with or without a port.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_ok = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_ok = match address {
        Some(address) => !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => host.split('.').all(is_label),
    };
    port_ok && host_ok
}

fn is_label(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(letter) && text.ends_with(letter) && text.chars().all(|c| letter(c) || c == '-')
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG && text.starts_with(word) && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(is_lower_hex)
}

#[cfg(test)]
mod tests {
    use super::is_image;

    /// What dockerd 28.5.2 said of each: `+` taken, `-` refused.
    const ANSWERS: &str = include_str!("image_answers.txt");

    #[test]
    fn answers_as_dockerd_does() {
        let mut count = 0;
        for line in ANSWERS.lines() {
            let (sign, text) = line.split_at(1);
            // `{a*247}` stands for that many letters.
            let text = match text.split_once('{') {
                Some((head, tail)) => {
                    let (letter, tail) = tail.split_once('*').unwrap();
                    let (times, tail) = tail.split_once('}').unwrap();
                    format!("{head}{}{tail}", letter.repeat(times.parse().unwrap()))
                }
                None => text.to_owned(),
            };
            assert_eq!(is_image(&text), sign == "+", "{text}");
            count += 1;
        }
        assert!(count > 100, "{count}");
    }
}
