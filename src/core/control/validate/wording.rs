//! How Go prints a quoted text (`%q`) and a number (`%g`), for Docker's sentences that carry one.

use std::fmt::Write;

/// Go's `%q`: a text in double quotes, with what cannot be printed escaped in Go's own way.
pub(in crate::control) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        // Writing into a String cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\x07' => write!(quoted, "\\a"),
            '\x08' => write!(quoted, "\\b"),
            '\x0c' => write!(quoted, "\\f"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\x0b' => write!(quoted, "\\v"),
            '\0'..='\x1f' | '\x7f' => write!(quoted, "\\x{:02x}", u32::from(c)),
            // Rust escapes the same characters in `{:?}` as Go does: those that cannot be seen.
            _ if c.is_ascii() || c.escape_debug().count() == 1 => write!(quoted, "{c}"),
            _ if u32::from(c) > 0xffff => write!(quoted, "\\U{:08x}", u32::from(c)),
            _ => write!(quoted, "\\u{:04x}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}

/// Go's `%g`: the shortest digits that read back as the same number, with an exponent where Go uses one.
pub(super) fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(-4..=5) => number.to_string(),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Err(_) => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        for (text, quoted) in [
            ("plain é", "\"plain é\""),
            ("a\"b\\", r#""a\"b\\""#),
            ("\n\x01\x7f'", r#""\n\x01\x7f'""#),
            ("\u{200b}", r#""\u200b""#),
            ("", r#""""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn prints_numbers_as_go_does() {
        for (number, text) in [
            (1e-7, "1e-07"),
            (-1e-7, "-1e-07"),
            (0.000999999, "0.000999999"),
            (1e-9, "1e-09"),
            (i64::MIN as f64 / 1e9, "-9.223372036854776e+09"),
            (-1.5, "-1.5"),
        ] {
            assert_eq!(float(number), text);
        }
    }
}
