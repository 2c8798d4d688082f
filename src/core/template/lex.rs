//! From text to the words of a template (Go's `text/template/parse/lex.go`).

use std::fmt;

use super::format::quote;
use super::text::Text;

/// The kind of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Keyword,
    Dot,
    Nil,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub kind: Kind,
    /// Where it begins, in bytes.
    pub at: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its text; of an error, the sentence.
    pub text: Text,
}

/// As Go names it in errors.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Eof => f.write_str("EOF"),
            Kind::Error => f.write_str(&self.text),
            Kind::Keyword | Kind::Dot | Kind::Nil => write!(f, "<{}>", *self.text),
            _ if self.text.len() > 10 => write!(f, "{}...", quote(&self.text.chars().take(10).collect::<String>())),
            _ => f.write_str(&quote(&self.text)),
        }
    }
}

const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];
/// What templates call white space.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];
const LEFT: &str = "{{";
const RIGHT: &str = "}}";
/// A trim marker and the space beside it, bytes.
const MARKER: usize = 2;

struct Lexer<'t> {
    text: &'t str,
    /// Where the word under way begins, and its line.
    start: usize,
    line: usize,
    at: usize,
    parens: usize,
    items: Vec<Item>,
}

/// The words of a template; the last one is [`Kind::Eof`] or [`Kind::Error`].
pub(super) fn lex(text: &str) -> Vec<Item> {
    let mut lexer = Lexer { text, start: 0, line: 1, at: 0, parens: 0, items: Vec::new() };
    let end = lexer.text().map_or_else(|sentence| (Kind::Error, sentence), |()| (Kind::Eof, String::new()));
    let (start, line) = (lexer.start, lexer.line);
    lexer.items.push(Item { kind: end.0, at: start, line, text: Text::new(end.1) });
    lexer.items
}

type Lexed = Result<(), String>;

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.text[self.start..self.at].to_owned();
        self.items.push(Item { kind, at: self.start, line: self.line, text: Text::new(text) });
        self.ignore();
    }

    fn ignore(&mut self) {
        self.line += self.text[self.start..self.at].matches('\n').count();
        self.start = self.at;
    }

    /// Text outside actions, and all actions in it.
    fn text(&mut self) -> Lexed {
        while let Some(open) = self.rest().find(LEFT) {
            let end = self.at + open;
            let is_trimmed = has_left_marker(&self.text[end + LEFT.len()..]);
            let before = &self.text[self.start..end];
            self.at = if is_trimmed { self.start + before.trim_end_matches(SPACES).len() } else { end };
            if self.at > self.start {
                self.emit(Kind::Text);
            }
            self.at = end;
            self.ignore();
            self.at += LEFT.len();
            let marker = if is_trimmed { MARKER } else { 0 };
            if self.text[self.at + marker..].starts_with("/*") {
                self.at += marker;
                self.ignore();
                self.comment()?;
            } else {
                self.emit(Kind::LeftDelim);
                self.at += marker;
                self.ignore();
                self.parens = 0;
                self.action()?;
            }
        }
        self.at = self.text.len();
        if self.at > self.start {
            self.emit(Kind::Text);
        }
        Ok(())
    }

    fn comment(&mut self) -> Lexed {
        self.at += "/*".len();
        let end = self.rest().find("*/").ok_or("unclosed comment")?;
        self.at += end + "*/".len();
        let Some(is_trimmed) = self.right_delim() else { return Err("comment ends before closing delimiter".into()) };
        self.close(is_trimmed);
        self.ignore();
        Ok(())
    }

    /// Whether here is the end of an action, and if so, whether it trims what follows.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_marker(rest) && rest[MARKER..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn close(&mut self, is_trimmed: bool) {
        self.at += RIGHT.len() + if is_trimmed { MARKER } else { 0 };
        if is_trimmed {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(SPACES).len();
        }
    }

    /// The inside of an action, to its end.
    fn action(&mut self) -> Lexed {
        loop {
            if let Some(is_trimmed) = self.right_delim() {
                if self.parens > 0 {
                    return Err("unclosed left paren".into());
                }
                if is_trimmed {
                    self.at += MARKER;
                    self.ignore();
                }
                self.at += RIGHT.len();
                self.emit(Kind::RightDelim);
                if is_trimmed {
                    let rest = self.rest();
                    self.at += rest.len() - rest.trim_start_matches(SPACES).len();
                    self.ignore();
                }
                return Ok(());
            }
            self.word()?;
        }
    }

    fn word(&mut self) -> Lexed {
        let Some(first) = self.next() else { return Err("unclosed action".into()) };
        match first {
            _ if SPACES.contains(&first) => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return Err("expected :=".into());
                }
                self.emit(Kind::Declare);
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
            '`' => {
                let end = self.rest().find('`').ok_or("unterminated raw quoted string")?;
                self.at += end + 1;
                self.emit(Kind::RawString);
            }
            '$' => self.name(Kind::Variable, Kind::Variable)?,
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => self.name(Kind::Field, Kind::Dot)?,
            '.' | '+' | '-' | '0'..='9' => {
                self.at = self.start;
                self.number()?;
            }
            _ if is_alphanumeric(first) => self.identifier()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' => {
                self.parens = self.parens.checked_sub(1).ok_or("unexpected right paren")?;
                self.emit(Kind::RightParen);
            }
            ' '..='~' => self.emit(Kind::Char),
            other => return Err(format!("unrecognized character in action: {}", codepoint(other))),
        }
        Ok(())
    }

    /// White space, but for the last of it where that belongs to a trim marker.
    fn space(&mut self) {
        while self.peek().is_some_and(|next| SPACES.contains(&next)) {
            self.at += 1;
        }
        let last = &self.text[self.at - 1..];
        if has_right_marker(last) && last[MARKER..].starts_with(RIGHT) {
            self.at -= 1;
            if self.at == self.start {
                return;
            }
        }
        self.emit(Kind::Space);
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Lexed {
        loop {
            match self.next() {
                Some('\\') if self.peek().is_some_and(|next| next != '\n') => drop(self.next()),
                None | Some('\\' | '\n') => return Err(unterminated.to_owned()),
                Some(end) if end == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    /// A field or a variable; with nothing behind its sign it is `bare`.
    fn name(&mut self, kind: Kind, bare: Kind) -> Lexed {
        if self.is_terminated() {
            self.emit(bare);
            return Ok(());
        }
        self.alphanumeric()?;
        self.emit(kind);
        Ok(())
    }

    fn identifier(&mut self) -> Lexed {
        self.alphanumeric()?;
        let kind = match &self.text[self.start..self.at] {
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            "nil" => Kind::Nil,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn alphanumeric(&mut self) -> Lexed {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        match self.peek() {
            Some(next) if !self.is_terminated() => Err(format!("bad character {}", codepoint(next))),
            _ => Ok(()),
        }
    }

    /// Whether a name may end here.
    fn is_terminated(&self) -> bool {
        let ends = |next: char| SPACES.contains(&next) || matches!(next, '.' | ',' | '|' | ':' | ')' | '(');
        self.peek().is_none_or(ends) || self.rest().starts_with(RIGHT)
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let is_there = self.peek().is_some_and(wanted);
        if is_there {
            self.next();
        }
        is_there
    }

    /// What is read as a number here need not be one: the parser says what it makes of it.
    fn number(&mut self) -> Lexed {
        self.accept(|c| matches!(c, '+' | '-'));
        let mut base = 10;
        if self.accept(|c| c == '0') {
            base = match self.peek() {
                Some('x' | 'X') => 16,
                Some('o' | 'O') => 8,
                Some('b' | 'B') => 2,
                _ => 10,
            };
            if base != 10 {
                self.next();
            }
        }
        let is_digit = move |c: char| c == '_' || c.is_digit(base);
        while self.accept(is_digit) {}
        if self.accept(|c| c == '.') {
            while self.accept(is_digit) {}
        }
        let exponent = if base == 16 { ['p', 'P'] } else { ['e', 'E'] };
        if (base == 10 || base == 16) && self.accept(|c| exponent.contains(&c)) {
            self.accept(|c| matches!(c, '+' | '-'));
            while self.accept(|c| c == '_' || c.is_ascii_digit()) {}
        }
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return Err(format!("bad number syntax: {}", quote(&self.text[self.start..self.at])));
        }
        self.emit(Kind::Number);
        Ok(())
    }
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn has_left_marker(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|next| SPACES.contains(&next))
}

fn has_right_marker(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|next| SPACES.contains(&next)) && chars.next() == Some('-')
}

/// Go's `%#U`.
fn codepoint(c: char) -> String {
    let number = u32::from(c);
    if c.is_control() { format!("U+{number:04X}") } else { format!("U+{number:04X} '{c}'") }
}
