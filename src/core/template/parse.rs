//! From the words of a template to its parts (Go's `text/template/parse/parse.go`).

use super::format::{quote, unquote};
use super::lex::{Item, Kind, lex};
use super::node::{Branch, Command, Node, Operand, Pipe, What};
use super::value::Value;
use super::{Error, Functions, functions};

/// How deep parts may lie in each other. Go has 10,000 for parentheses; what people write has five.
const DEPTH_MAX: usize = 100;

struct Parser<'t> {
    items: Vec<Item>,
    at: usize,
    functions: &'t dyn Functions,
    variables: Vec<String>,
    ranges: usize,
    depth: usize,
    /// The line of the action under way; 0 between actions.
    action_line: usize,
}

/// What a list of parts ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    End,
    Else,
}

impl Stop {
    fn as_str(self) -> &'static str {
        match self {
            Stop::End => "{{end}}",
            Stop::Else => "{{else}}",
        }
    }
}

type Parsed<T> = Result<T, Error>;

/// Parses a template; functions must be Go's own or one of `functions`.
pub(super) fn parse(text: &str, functions: &dyn Functions) -> Parsed<Vec<Node>> {
    let variables = vec!["$".to_owned()];
    let items = lex(text);
    let mut parser = Parser { items, at: 0, functions, variables, ranges: 0, depth: 0, action_line: 0 };
    let (nodes, stop) = parser.list()?;
    match stop {
        None => Ok(nodes),
        Some(stop) => Err(parser.error(format!("unexpected {}", stop.as_str()))),
    }
}

impl Parser<'_> {
    /// The next word; the last one again and again.
    fn peek(&self) -> &Item {
        &self.items[self.at]
    }

    fn next(&mut self) -> Item {
        let item = self.peek().clone();
        self.at = (self.at + 1).min(self.items.len() - 1);
        item
    }

    fn peek_word(&mut self) -> Item {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
        self.peek().clone()
    }

    fn next_word(&mut self) -> Item {
        self.peek_word();
        self.next()
    }

    /// An error at the word that was read last, or is read next if it was looked at.
    fn error(&self, sentence: impl Into<String>) -> Error {
        let line = self.items[self.at].line;
        Error { place: line.to_string(), sentence: sentence.into() }
    }

    fn unexpected(&self, item: &Item, context: &str) -> Error {
        let place = item.line.to_string();
        let sentence = if item.kind == Kind::Error {
            let started = format!(" in action started at {}:{}", super::NAME, self.action_line);
            let more = match self.action_line {
                0 => "",
                line if line == item.line => "",
                // The sentence itself says that it is about an action.
                _ if item.text.ends_with(" action") => &started[" in action".len()..],
                _ => &started,
            };
            format!("{item}{more}")
        } else {
            format!("unexpected {item} in {context}")
        };
        Error { place, sentence }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("max expression depth exceeded"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Parts up to the end of the text, or to what ends their branch.
    fn list(&mut self) -> Parsed<(Vec<Node>, Option<Stop>)> {
        let mut nodes = Vec::new();
        loop {
            let item = self.next();
            match item.kind {
                Kind::Eof => return Ok((nodes, None)),
                Kind::Text => nodes.push(Node::Text(item.text)),
                Kind::LeftDelim => {
                    self.action_line = item.line;
                    match self.deeper(Parser::action)? {
                        Ok(node) => nodes.push(node),
                        Err(stop) => return Ok((nodes, Some(stop))),
                    }
                    self.action_line = 0;
                }
                _ => return Err(self.unexpected(&item, "input")),
            }
        }
    }

    /// What is between the delimiters, or what it ends.
    fn action(&mut self) -> Parsed<Result<Node, Stop>> {
        let first = self.peek_word();
        if first.kind != Kind::Keyword {
            let pipe = self.pipeline("command", Kind::RightDelim)?;
            return Ok(Ok(Node::Action(pipe)));
        }
        self.next();
        Ok(Ok(match first.text.as_str() {
            "if" => Node::If(self.branch("if")?),
            "with" => Node::With(self.branch("with")?),
            "range" => Node::Range(self.branch("range")?),
            "break" => self.leave("break", Node::Break)?,
            "continue" => self.leave("continue", Node::Continue)?,
            "end" => {
                self.expect_right("end")?;
                return Ok(Err(Stop::End));
            }
            "else" => {
                // The word behind `else` begins another branch, which `branch` looks at.
                let next = self.peek_word();
                if !(next.kind == Kind::Keyword && matches!(next.text.as_str(), "if" | "with")) {
                    self.expect_right("else")?;
                }
                return Ok(Err(Stop::Else));
            }
            word => {
                let sentence = format!("{{{{{word}}}}} is for templates of several files, and not honoured by gam");
                return Err(Error { place: first.line.to_string(), sentence });
            }
        }))
    }

    fn expect_right(&mut self, context: &str) -> Parsed<()> {
        let item = self.next_word();
        if item.kind == Kind::RightDelim { Ok(()) } else { Err(self.unexpected(&item, context)) }
    }

    fn leave(&mut self, word: &str, node: Node) -> Parsed<Node> {
        let item = self.next_word();
        if item.kind != Kind::RightDelim {
            return Err(self.unexpected(&item, &format!("{{{{{word}}}}}")));
        }
        if self.ranges == 0 {
            return Err(self.error(format!("{{{{{word}}}}} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    fn branch(&mut self, context: &str) -> Parsed<Branch> {
        let outer = self.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let is_range = usize::from(context == "range");
        self.ranges += is_range;
        self.action_line = 0;
        let (list, stop) = self.list()?;
        self.ranges -= is_range;
        let otherwise = match stop {
            Some(Stop::End) => Vec::new(),
            Some(Stop::Else) => self.otherwise(context)?,
            None => return Err(self.error("unexpected EOF")),
        };
        self.variables.truncate(outer);
        Ok(Branch { pipe, list, otherwise })
    }

    /// What is behind `else`.
    fn otherwise(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let next = self.peek().clone();
        if next.kind == Kind::Keyword && *next.text == context && context != "range" {
            // `{{else if}}` is short for `{{else}}{{if}}` and needs one `{{end}}` for both.
            self.next();
            let branch = self.deeper(|parser| parser.branch(context))?;
            return Ok(vec![if context == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        if next.kind == Kind::Keyword {
            return Err(self.unexpected(&next, "input"));
        }
        match self.list()? {
            (nodes, Some(Stop::End)) => Ok(nodes),
            (_, Some(stop)) => Err(self.error(format!("expected end; found {}", stop.as_str()))),
            (_, None) => Err(self.error("unexpected EOF")),
        }
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let at = self.peek_word().at;
        let (variables, is_assign) = self.declared(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let item = self.peek_word();
            if item.kind == end {
                self.next();
                break;
            }
            if !begins_operand(item.kind) {
                self.next();
                return Err(self.unexpected(&item, context));
            }
            commands.push(self.command()?);
        }
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (stage, command) in commands.iter().enumerate().skip(1) {
            if matches!(command.operands[0].what, What::Dot | What::Nil | What::Constant(..)) {
                let sentence = format!("non executable command in pipeline stage {}", stage + 1);
                return Err(self.error(sentence));
            }
        }
        Ok(Pipe { at, variables, is_assign, commands })
    }

    /// The variables that a pipeline makes, or gives another value.
    fn declared(&mut self, context: &str) -> Parsed<(Vec<String>, bool)> {
        let mut names = Vec::new();
        loop {
            let name = self.peek_word();
            if name.kind != Kind::Variable {
                return Ok((names, false));
            }
            let begin = self.at;
            self.next();
            let next = self.peek_word();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next();
                    names.push(name.text.to_string());
                    let is_assign = next.kind == Kind::Assign;
                    self.variables.extend(names.iter().cloned());
                    return Ok((names, is_assign));
                }
                Kind::Char if *next.text == "," => {
                    self.next();
                    names.push(name.text.to_string());
                    if context != "range" || names.len() > 1 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    if !matches!(self.peek_word().kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    // An operand like any other.
                    self.at = begin;
                    return Ok((names, false));
                }
            }
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let at = self.peek_word().at;
        let mut operands = Vec::new();
        loop {
            self.peek_word();
            operands.extend(self.operand()?);
            let item = self.next();
            match item.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.at -= 1;
                    break;
                }
                Kind::Pipe => break,
                _ => return Err(self.unexpected(&item, "operand")),
            }
        }
        if operands.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { at, operands })
    }

    /// A term and fields of it; `None` if here is no term.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(operand));
        }
        let at = self.peek().at;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(self.next().text[1..].to_owned());
        }
        match &mut operand.what {
            What::Field(first) | What::Variable(first) => {
                first.extend(names);
                operand.at = at;
            }
            What::Dot | What::Nil | What::Constant(..) => {
                let sentence = format!("unexpected . after term {}", quote(&operand.to_string()));
                return Err(self.error(sentence));
            }
            What::Function(_) | What::Pipe(_) | What::Chain(..) => {
                operand = Operand { at, what: What::Chain(Box::new(operand), names) };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let item = self.peek_word();
        let at = item.at;
        let what = match item.kind {
            Kind::Identifier => {
                if !functions::exists(&item.text) && !self.functions.names().contains(&item.text.as_str()) {
                    return Err(self.error(format!("function {} not defined", quote(&item.text))));
                }
                What::Function(item.text.to_string())
            }
            Kind::Dot => What::Dot,
            Kind::Nil => What::Nil,
            Kind::Variable => {
                if !self.variables.contains(&item.text) {
                    return Err(self.error(format!("undefined variable {}", quote(&item.text))));
                }
                What::Variable(vec![item.text.to_string()])
            }
            Kind::Field => What::Field(vec![item.text[1..].to_owned()]),
            Kind::Bool => What::Constant(Value::Bool(*item.text == "true"), item.text),
            Kind::Number | Kind::CharConstant => {
                let number = number(&item).map_err(|sentence| self.error(sentence))?;
                What::Constant(number, item.text)
            }
            Kind::String | Kind::RawString => {
                let text = unquote(&item.text).ok_or_else(|| self.error("invalid syntax"))?;
                What::Constant(text.into(), item.text)
            }
            Kind::LeftParen => {
                self.next();
                let pipe = self.deeper(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Operand { at, what: What::Pipe(pipe) }));
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(Operand { at, what }))
    }
}

fn begins_operand(kind: Kind) -> bool {
    use Kind::{Bool, CharConstant, Dot, Field, Identifier, LeftParen, Nil, Number, RawString, String, Variable};
    matches!(
        kind,
        Bool | CharConstant | Dot | Field | Identifier | Number | Nil | RawString | String | Variable | LeftParen
    )
}

/// The value of a number, as Go's constants are read: with a point or an exponent it is a `float64`.
fn number(item: &Item) -> Result<Value, String> {
    let syntax = || format!("illegal number syntax: {}", quote(&item.text));
    if item.kind == Kind::CharConstant {
        let inner = unquote(&item.text).ok_or_else(|| format!("malformed character constant: {}", *item.text))?;
        let mut chars = inner.chars();
        let (Some(only), None) = (chars.next(), chars.next()) else {
            return Err(format!("malformed character constant: {}", *item.text));
        };
        return Ok(Value::Int(i64::from(u32::from(only))));
    }
    let (sign, digits) = match item.text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", item.text.strip_prefix('+').unwrap_or(&item.text)),
    };
    let plain = digits.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let (base, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if base == 10 && digits.contains(['.', 'e']) {
        return format!("{sign}{digits}").parse().map(Value::Float).map_err(|_| syntax());
    }
    let number = i128::from_str_radix(&format!("{sign}{digits}"), base).map_err(|_| syntax())?;
    i64::try_from(number).map(Value::Int).map_err(|_| format!("integer overflow: {}", quote(&item.text)))
}
