//! What a template is once it is parsed (Go's `text/template/parse/node.go`), and how its parts print in errors.

use std::fmt;

use super::text::Text;
use super::value::Value;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(Text),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
}

/// What depends on a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branch {
    pub pipe: Pipe,
    pub list: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// Commands, each of which gets what the one before it made; the result may be a variable's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipe {
    pub at: usize,
    pub variables: Vec<String>,
    pub is_assign: bool,
    pub commands: Vec<Command>,
}

/// A command: what is called, or is simply there, and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub at: usize,
    pub operands: Vec<Operand>,
}

/// One word, or what stands for one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub at: usize,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Dot,
    Nil,
    /// A number, a truth value or a text, and how it was written.
    Constant(Value, Text),
    Field(Vec<String>),
    /// A variable's name with `$`, and fields of it.
    Variable(Vec<String>),
    Function(String),
    Pipe(Pipe),
    /// Fields of what another operand is, mostly one in parentheses.
    Chain(Box<Operand>, Vec<String>),
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.is_assign { "=" } else { ":=" })?;
        }
        for (at, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if at == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, operand) in self.operands.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{}", Enclosed(operand))?;
        }
        Ok(())
    }
}

/// A pipeline beside other words is in parentheses.
struct Enclosed<'o>(&'o Operand);

impl fmt::Display for Enclosed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.what {
            What::Pipe(pipe) => write!(f, "({pipe})"),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Dot => f.write_str("."),
            What::Nil => f.write_str("nil"),
            What::Constant(_, text) => f.write_str(text),
            What::Function(name) => f.write_str(name),
            What::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            What::Variable(names) => f.write_str(&names.join(".")),
            What::Pipe(pipe) => write!(f, "{pipe}"),
            What::Chain(operand, names) => {
                write!(f, "{}", Enclosed(operand))?;
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
        }
    }
}
