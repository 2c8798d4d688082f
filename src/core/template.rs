//! Go's `text/template`, as far as the texts of services, secrets and configs can use it.
//!
//! Docker gives these texts to Go's engine (swarmkit `template/template.go`), with the option `missingkey=error` and one
//! function more, `join`. What users may write is therefore Go's whole language, and what they are told when it is wrong
//! are Go's sentences, with the place; both are part of what Docker promises. Here are its lexer, parser and evaluator
//! anew: actions, pipelines, variables, `if`, `with`, `range`, `break`, `continue`, comments, trim markers, and all
//! built-in functions. Not here are `define`, `block` and `template`, which are for templates of several files: they are
//! refused with a sentence. The facts are Go's documentation and its `text/template/parse` and `text/template/exec.go`
//! (Go 1.24).
//!
//! The one crate for this, `gtmpl` 0.7.1, calls itself unfinished (its README), tells of errors in words of its own and
//! without the place in the line, knows no `missingkey=error`, and lets a template run for as long as it likes.
//!
//! Pure: text and values in, text out. A template that runs for too long or makes too much is stopped ([`exec`]). What it is made
//! of and what it makes is cleared from memory ([`text`]); the sentence about one that is wrong is not.

mod compare;
mod exec;
mod format;
mod functions;
mod lex;
mod node;
mod parse;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::fmt;

pub use text::Text;
pub use value::{Kind, Value};

/// The name that swarmkit gives to every template, and that stands in every error.
const NAME: &str = "expansion";

/// Why a template could not be expanded, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Line, or line and byte, from 1 and from 0.
    place: String,
    sentence: String,
}

impl Error {
    /// Whether this is what it says, apart from the place.
    pub fn says(&self, sentence: &str) -> bool {
        self.sentence == sentence
    }

    /// The error without any word of the template or of what was put into it.
    pub fn discreet(&self) -> String {
        format!("template: {NAME}:{}: wrong, or it failed; it may hold a secret, so no more is said", self.place)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {NAME}:{}: {}", self.place, self.sentence)
    }
}

/// Functions of one text argument besides Go's own and `join`.
pub trait Functions {
    /// Their names.
    fn names(&self) -> &[&str];

    /// Calls the one of this name; an error is its sentence.
    fn call(&self, name: &str, argument: &str) -> Result<Text, String>;
}

/// No further functions.
#[derive(Clone, Copy, Debug)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn names(&self) -> &[&str] {
        &[]
    }

    fn call(&self, name: &str, _: &str) -> Result<Text, String> {
        Err(format!("{name:?} is not a defined function"))
    }
}

/// The text with every action replaced by what it makes of `context`. That takes some of `steps`: about one for each thing
/// that is done, or for 64 bytes that are made; a template that needs more than there are is an error.
pub fn expand(text: &str, context: &Value, functions: &dyn Functions, steps: &mut usize) -> Result<Text, Error> {
    // Nearly all texts are none.
    if !text.contains("{{") {
        return Ok(Text::new(text.to_owned()));
    }
    let nodes = parse::parse(text, functions)?;
    exec::execute(text, &nodes, context, functions, steps)
}
