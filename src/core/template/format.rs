//! Go's `fmt` and `strconv` for the values of templates: quoting, printing, `printf`.

use super::text::{Text, append, joined};
use super::value::Value;

/// Widths and precisions above this are refused (Go's `fmt.tooLarge`).
const WIDTH_MAX: usize = 1_000_000;

/// Go's `%q` of a text.
pub(super) fn quote(text: &str) -> String {
    // Room for an ordinary text, so that it need not move as it grows.
    let mut quoted = String::with_capacity(text.len() * 2 + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What a quoted text or character says (Go's `strconv.Unquote`); `None` if its escapes are wrong.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let quote = quoted.chars().next()?;
    let inner = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quote == '`' {
        return Some(inner.replace('\r', ""));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(&mut bytes, c);
            continue;
        }
        match chars.next()? {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            c @ ('"' | '\'') if c == quote => push(&mut bytes, c),
            'x' => bytes.push(u8::try_from(digits(&mut chars, 2, 16, 0)?).ok()?),
            'u' => push(&mut bytes, char::from_u32(digits(&mut chars, 4, 16, 0)?)?),
            'U' => push(&mut bytes, char::from_u32(digits(&mut chars, 8, 16, 0)?)?),
            c @ '0'..='7' => bytes.push(u8::try_from(digits(&mut chars, 2, 8, c.to_digit(8)?)?).ok()?),
            _ => return None,
        }
    }
    // Bytes that are no text are none afterwards: everything that is filled in goes through JSON.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, base: u32, first: u32) -> Option<u32> {
    (0..count).try_fold(first, |number, _| number.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?))
}

/// Go's `%v` of a `float64`: the shortest text that reads back as the same number.
pub(super) fn shortest(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return number.to_string();
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

/// Go's `Sprint`: a space between two operands of which neither is a text.
pub(super) fn print(values: &[Value]) -> Text {
    let mut printed = Text::default();
    for (at, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if at > 0 && !is_text(value) && !is_text(&values[at - 1]) {
            append(&mut printed, " ");
        }
        append(&mut printed, &value.print());
    }
    printed
}

/// Go's `Sprintln`.
pub(super) fn print_line(values: &[Value]) -> Text {
    let printed: Vec<Text> = values.iter().map(Value::print).collect();
    let mut line = joined(&printed, " ");
    append(&mut line, "\n");
    line
}

#[derive(Default)]
struct Verb {
    is_left: bool,
    has_plus: bool,
    is_alternate: bool,
    has_space: bool,
    has_zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Go's `Sprintf`.
pub(super) fn printf(pattern: &str, values: &[Value]) -> Text {
    let mut out = Text::default();
    let mut chars = pattern.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            append(&mut out, c.encode_utf8(&mut [0; 4]));
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => verb.is_left = true,
                '+' => verb.has_plus = true,
                '#' => verb.is_alternate = true,
                ' ' => verb.has_space = true,
                _ => verb.has_zero = true,
            }
        }
        verb.width = size(&mut chars, values, &mut next, &mut out, "%!(BADWIDTH)");
        if chars.next_if_eq(&'.').is_some() {
            let precision = size(&mut chars, values, &mut next, &mut out, "%!(BADPREC)");
            verb.precision = Some(precision.unwrap_or(0));
        }
        match chars.next() {
            None => append(&mut out, "%!(NOVERB)"),
            Some('%') => append(&mut out, "%"),
            Some(letter) => match values.get(next) {
                None => append(&mut out, &format!("%!{letter}(MISSING)")),
                Some(value) => {
                    next += 1;
                    append(&mut out, &verb.format(letter, value));
                }
            },
        }
    }
    if next < values.len() {
        let extra = values[next..].iter().map(|value| match value {
            Value::Nil => Text::new("<nil>".to_owned()),
            value => Text::new(format!("{}={}", value.kind(), *value.print())),
        });
        let extra = joined(&extra.collect::<Vec<_>>(), ", ");
        for part in ["%!(EXTRA ", &extra, ")"] {
            append(&mut out, part);
        }
    }
    out
}

/// A width or a precision: digits, or `*` for an argument.
fn size(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    values: &[Value],
    next: &mut usize,
    out: &mut Text,
    bad: &str,
) -> Option<usize> {
    if chars.next_if_eq(&'*').is_some() {
        let given = values.get(*next);
        *next += 1;
        let size = match given {
            Some(Value::Int(number)) => usize::try_from(*number).ok().filter(|size| *size <= WIDTH_MAX),
            _ => None,
        };
        if size.is_none() {
            append(out, bad);
        }
        return size;
    }
    let mut size = None;
    while let Some(digit) = chars.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        size = Some((size.unwrap_or(0_usize) * 10 + digit as usize).min(WIDTH_MAX));
    }
    size
}

impl Verb {
    fn format(&self, letter: char, value: &Value) -> Text {
        let made = match (letter, value) {
            ('v', Value::Int(number)) => self.signed(*number, number.unsigned_abs().to_string()),
            ('v', Value::Text(text)) if self.is_alternate => quote(text),
            ('v' | 's', Value::Text(text)) => self.cut(text).to_owned(),
            ('v', value) => return self.pad(value.print(), is_number(value)),
            ('T', value) => value.kind().to_owned(),
            ('s' | 'q', Value::Map(_) | Value::Struct(_)) => return self.pad(value.print(), false),
            ('q', Value::Text(text)) => quote(self.cut(text)),
            ('x' | 'X', Value::Text(text)) => {
                let text = self.cut(text);
                let mut digits = String::with_capacity(text.len() * 2);
                text.bytes().for_each(|byte| digits.push_str(&format!("{byte:02x}")));
                if letter == 'X' {
                    digits.make_ascii_uppercase();
                }
                digits
            }
            ('t', Value::Bool(value)) => value.to_string(),
            ('d', Value::Int(number)) => self.signed(*number, number.unsigned_abs().to_string()),
            ('b', Value::Int(number)) => self.signed(*number, format!("{:b}", number.unsigned_abs())),
            ('o', Value::Int(number)) => self.signed(*number, format!("{:o}", number.unsigned_abs())),
            ('x', Value::Int(number)) => self.signed(*number, self.hex(format!("{:x}", number.unsigned_abs()), "0x")),
            ('X', Value::Int(number)) => self.signed(*number, self.hex(format!("{:X}", number.unsigned_abs()), "0X")),
            ('c', Value::Int(number)) => character(*number).to_string(),
            ('q', Value::Int(number)) => format!("'{}'", character(*number).escape_debug()),
            ('U', Value::Int(number)) => format!("U+{number:04X}"),
            ('f' | 'F' | 'e' | 'E' | 'g' | 'G', Value::Float(number)) => self.float(letter, *number),
            (letter, Value::Nil) => return Text::new(format!("%!{letter}(<nil>)")),
            (letter, value) => return Text::new(format!("%!{letter}({}={})", value.kind(), *value.print())),
        };
        self.pad(Text::new(made), is_number(value))
    }

    /// A text is cut to the precision, in characters.
    fn cut<'t>(&self, text: &'t str) -> &'t str {
        let end = self.precision.and_then(|most| text.char_indices().nth(most)).map_or(text.len(), |(at, _)| at);
        &text[..end]
    }

    fn hex(&self, digits: String, prefix: &str) -> String {
        if self.is_alternate { format!("{prefix}{digits}") } else { digits }
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.has_plus, self.has_space) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        }
    }

    fn signed(&self, number: i64, digits: String) -> String {
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        format!("{}{}{digits}", self.sign(number < 0), "0".repeat(missing))
    }

    fn float(&self, letter: char, number: f64) -> String {
        let size = number.abs();
        let digits = match letter {
            'f' | 'F' => format!("{size:.*}", self.precision.unwrap_or(6).min(1000)),
            'e' | 'E' => exponent(&format!("{size:.*e}", self.precision.unwrap_or(6).min(1000))),
            // With a precision `%g` counts digits; nobody writes that in a template, so it is as without one.
            _ => shortest(size),
        };
        let digits = if letter.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        format!("{}{digits}", self.sign(number.is_sign_negative()))
    }

    fn pad(&self, made: Text, is_number: bool) -> Text {
        let missing = self.width.unwrap_or(0).saturating_sub(made.chars().count());
        if missing == 0 {
            return made;
        }
        if self.is_left {
            return joined(&[made, Text::new(" ".repeat(missing))], "");
        }
        if self.has_zero && !(is_number && self.precision.is_some()) {
            // Zeros stand behind the sign.
            let digits = made.trim_start_matches(['-', '+', ' ']);
            let (sign, digits) = if is_number { made.split_at(made.len() - digits.len()) } else { ("", made.as_str()) };
            return Text::new(format!("{sign}{}{digits}", "0".repeat(missing)));
        }
        joined(&[Text::new(" ".repeat(missing)), made], "")
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_))
}

fn character(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Go writes at least two digits of an exponent, and its sign.
fn exponent(scientific: &str) -> String {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}
