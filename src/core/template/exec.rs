//! From the parts of a template to its text (Go's `text/template/exec.go`).
//!
//! A template is a program, and it is run where services are admitted and where containers start. What it may do is
//! therefore counted in steps, of which its caller gives it some; what a function makes counts too. Go has no such bound.

use super::format::quote;
use super::functions;
use super::node::{Branch, Command, Node, Operand, Pipe, What};
use super::text::{Text, append};
use super::value::Value;
use super::{Error, Functions};

/// Bytes that count as one step.
const STEP_BYTES: usize = 64;

/// Where the evaluation is, for errors.
#[derive(Clone, Copy)]
enum Place<'t> {
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl Place<'_> {
    fn at(self) -> usize {
        match self {
            Place::Pipe(pipe) => pipe.at,
            Place::Command(command) => command.at,
            Place::Operand(operand) => operand.at,
        }
    }

    fn text(self) -> String {
        match self {
            Place::Pipe(pipe) => pipe.to_string(),
            Place::Command(command) => command.to_string(),
            Place::Operand(operand) => operand.to_string(),
        }
    }
}

/// How a list of parts ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Execution<'t> {
    text: &'t str,
    functions: &'t dyn Functions,
    variables: Vec<(String, Value)>,
    out: Text,
    /// How many are left.
    steps: &'t mut usize,
    place: Option<Place<'t>>,
}

type Done<T> = Result<T, Error>;

/// Runs a parsed template on `root`, for no more than `steps`.
pub(super) fn execute<'t>(
    text: &'t str,
    nodes: &'t [Node],
    root: &Value,
    functions: &'t dyn Functions,
    steps: &'t mut usize,
) -> Done<Text> {
    let variables = vec![("$".to_owned(), root.clone())];
    let mut execution = Execution { text, functions, variables, out: Text::default(), steps, place: None };
    execution.walk(root, nodes)?;
    Ok(execution.out)
}

impl<'t> Execution<'t> {
    fn error(&self, sentence: impl Into<String>) -> Error {
        let sentence = sentence.into();
        let Some(place) = self.place else { return Error { place: "1".into(), sentence } };
        let before = &self.text[..place.at()];
        let line = 1 + before.matches('\n').count();
        let column = place.at() - before.rfind('\n').map_or(0, |newline| newline + 1);
        Error {
            place: format!("{line}:{column}"),
            sentence: format!("executing {} at <{}>: {sentence}", quote(super::NAME), place.text()),
        }
    }

    fn spend(&mut self, steps: usize) -> Done<()> {
        let left = self.steps.checked_sub(steps);
        *self.steps = left.ok_or_else(|| self.error("the template does too much; make it shorter"))?;
        Ok(())
    }

    fn write(&mut self, text: &str) -> Done<()> {
        self.spend(1 + text.len() / STEP_BYTES)?;
        append(&mut self.out, text);
        Ok(())
    }

    fn walk(&mut self, dot: &Value, nodes: &'t [Node]) -> Done<Flow> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => self.write(text).map(|()| Flow::On),
                Node::Action(pipe) => self.action(dot, pipe).map(|()| Flow::On),
                Node::If(branch) => self.branch(dot, branch, false),
                Node::With(branch) => self.branch(dot, branch, true),
                Node::Range(branch) => self.range(dot, branch).map(|()| Flow::On),
                Node::Break => Ok(Flow::Break),
                Node::Continue => Ok(Flow::Continue),
            }?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn action(&mut self, dot: &Value, pipe: &'t Pipe) -> Done<()> {
        let value = self.pipeline(dot, pipe)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        match value {
            // Go prints a value that there is not in this way.
            Value::Nil => self.write("<no value>"),
            value => self.write(&value.print()),
        }
    }

    fn branch(&mut self, dot: &Value, branch: &'t Branch, sets_dot: bool) -> Done<Flow> {
        let outer = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = match (value.is_true(), sets_dot) {
            (true, true) => self.walk(&value, &branch.list),
            (true, false) => self.walk(dot, &branch.list),
            (false, _) => self.walk(dot, &branch.otherwise),
        };
        self.variables.truncate(outer);
        flow
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Done<()> {
        let outer = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let inner = self.variables.len();
        let mut is_empty = true;
        let mut each = |execution: &mut Self, key: Value, element: Value| {
            is_empty = false;
            execution.spend(1)?;
            execution.set_range(branch, &key, &element);
            let flow = execution.walk(&element, &branch.list)?;
            execution.variables.truncate(inner);
            Ok(flow)
        };
        match &value {
            Value::Map(map) => {
                for (key, element) in map.iter() {
                    if each(self, key.as_str().into(), element.as_str().into())? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Int(count) => {
                for number in 0..*count {
                    if each(self, Value::Int(number), Value::Int(number))? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Nil => {}
            other => return Err(self.error(format!("range can't iterate over {}", *other.print()))),
        }
        if is_empty {
            self.walk(dot, &branch.otherwise)?;
        }
        self.variables.truncate(outer);
        Ok(())
    }

    /// Of two variables the first is the key; one alone is the element.
    fn set_range(&mut self, branch: &Branch, key: &Value, element: &Value) {
        let values: &[&Value] = if branch.pipe.variables.len() > 1 { &[key, element] } else { &[element] };
        for (name, value) in branch.pipe.variables.iter().zip(values) {
            self.set(name, value);
        }
    }

    fn set(&mut self, name: &str, value: &Value) {
        if let Some((_, known)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            known.clone_from(value);
        }
    }

    fn pipeline(&mut self, dot: &Value, pipe: &'t Pipe) -> Done<Value> {
        self.place = Some(Place::Pipe(pipe));
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            if pipe.is_assign {
                self.set(name, &value);
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    /// `last` is what the command before it made.
    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Done<Value> {
        self.spend(1)?;
        let first = &command.operands[0];
        let has_arguments = command.operands.len() > 1 || last.is_some();
        match &first.what {
            What::Function(name) => {
                self.place = Some(Place::Operand(first));
                self.function(dot, name, &command.operands[1..], last, Place::Command(command))
            }
            What::Field(_) | What::Variable(_) | What::Chain(..) => self.path(dot, first, has_arguments),
            What::Pipe(pipe) => {
                self.no_function(first, has_arguments)?;
                self.pipeline(dot, pipe)
            }
            What::Dot | What::Constant(..) => {
                self.place = Some(Place::Operand(first));
                self.no_function(first, has_arguments)?;
                self.operand(dot, first)
            }
            What::Nil => {
                self.place = Some(Place::Operand(first));
                self.no_function(first, has_arguments)?;
                Err(self.error("nil is not a command"))
            }
        }
    }

    fn no_function(&self, first: &Operand, has_arguments: bool) -> Done<()> {
        if has_arguments { Err(self.error(format!("can't give argument to non-function {first}"))) } else { Ok(()) }
    }

    /// What an operand is, where anything may be.
    fn operand(&mut self, dot: &Value, operand: &'t Operand) -> Done<Value> {
        self.place = Some(Place::Operand(operand));
        match &operand.what {
            What::Dot => Ok(dot.clone()),
            What::Nil => Ok(Value::Nil),
            What::Constant(value, _) => Ok(value.clone()),
            What::Function(name) => self.function(dot, name, &[], None, Place::Operand(operand)),
            What::Pipe(pipe) => self.pipeline(dot, pipe),
            What::Field(_) | What::Variable(_) | What::Chain(..) => self.path(dot, operand, false),
        }
    }

    /// Follows the fields of what an operand begins with. Arguments could be for the last one only, and none takes any.
    fn path(&mut self, dot: &Value, operand: &'t Operand, has_arguments: bool) -> Done<Value> {
        self.place = Some(Place::Operand(operand));
        let (mut value, names) = match &operand.what {
            What::Variable(names) => {
                let known = self.variables.iter().rev().find(|(name, _)| *name == names[0]);
                (known.map_or(Value::Nil, |(_, value)| value.clone()), &names[1..])
            }
            What::Chain(first, names) => {
                let value = self.operand(dot, first)?;
                self.place = Some(Place::Operand(operand));
                (value, names.as_slice())
            }
            What::Field(names) => (dot.clone(), names.as_slice()),
            _ => return self.operand(dot, operand),
        };
        if names.is_empty() {
            self.no_function(operand, has_arguments)?;
        }
        for (at, name) in names.iter().enumerate() {
            value = self.field(&value, name, has_arguments && at + 1 == names.len())?;
        }
        Ok(value)
    }

    fn field(&self, value: &Value, name: &str, has_arguments: bool) -> Done<Value> {
        match value {
            Value::Struct(kind) => match kind.fields.iter().find(|(known, _)| *known == name) {
                Some(_) if has_arguments => {
                    Err(self.error(format!("{name} has arguments but cannot be invoked as function")))
                }
                Some((_, field)) => Ok(field.clone()),
                None => Err(self.error(format!("can't evaluate field {name} in type {}", kind.name))),
            },
            Value::Map(_) if has_arguments => Err(self.error(format!("{name} is not a method but has arguments"))),
            Value::Map(map) => match map.get(name) {
                Some(value) => Ok(value.as_str().into()),
                None => Err(self.error(format!("map has no entry for key {}", quote(name)))),
            },
            Value::Nil => Err(self.error(format!("nil data; no entry for key {}", quote(name)))),
            other => Err(self.error(format!("can't evaluate field {name} in type {}", other.kind()))),
        }
    }

    /// Calls a function; `whole` is the command, which errors show.
    fn function(
        &mut self,
        dot: &Value,
        name: &str,
        operands: &'t [Operand],
        last: Option<Value>,
        whole: Place<'t>,
    ) -> Done<Value> {
        let count = operands.len() + usize::from(last.is_some());
        let (least, most) = functions::arity(name);
        if count < least || count > most {
            self.place = Some(whole);
            let wanted = if least == most { format!("{least}") } else { format!("at least {least}") };
            return Err(self.error(format!("wrong number of args for {name}: want {wanted} got {count}")));
        }
        if matches!(name, "and" | "or") {
            return self.lazy(dot, name == "or", operands, last);
        }
        let mut arguments = Vec::with_capacity(count);
        for operand in operands {
            let value = self.argument(dot, name, arguments.len(), operand)?;
            arguments.push(value);
        }
        if let Some(last) = last {
            self.check(&last, name, arguments.len())?;
            arguments.push(last);
        }
        let made = if self.functions.names().contains(&name) {
            self.functions.call(name, &arguments[0].print()).map(Value::Text)
        } else {
            functions::call(name, &arguments)
        };
        self.place = Some(whole);
        match made {
            Ok(value) => {
                let size = if let Value::Text(text) = &value { text.len() } else { 0 };
                self.spend(1 + size / STEP_BYTES)?;
                Ok(value)
            }
            Err(sentence) => Err(self.error(format!("error calling {name}: {sentence}"))),
        }
    }

    /// One argument, of the type that the function takes there.
    fn argument(&mut self, dot: &Value, name: &str, at: usize, operand: &'t Operand) -> Done<Value> {
        if self.takes_text(name, at) {
            self.place = Some(Place::Operand(operand));
            match &operand.what {
                What::Nil => return Err(self.error("cannot assign nil to string")),
                What::Constant(Value::Text(_), _) => {}
                What::Constant(..) => return Err(self.error(format!("expected string; found {operand}"))),
                _ => {}
            }
        }
        let value = self.operand(dot, operand)?;
        self.check(&value, name, at)?;
        Ok(value)
    }

    fn takes_text(&self, name: &str, at: usize) -> bool {
        self.functions.names().contains(&name) || functions::takes_text(name, at)
    }

    fn check(&self, value: &Value, name: &str, at: usize) -> Done<()> {
        match value {
            _ if !self.takes_text(name, at) => Ok(()),
            Value::Text(_) => Ok(()),
            Value::Nil => Err(self.error("invalid value; expected string")),
            other => Err(self.error(format!("wrong type for value; expected string; got {}", other.kind()))),
        }
    }

    /// `and` and `or` look no further than they must.
    fn lazy(&mut self, dot: &Value, is_or: bool, operands: &'t [Operand], last: Option<Value>) -> Done<Value> {
        let mut value = Value::Nil;
        for operand in operands {
            value = self.operand(dot, operand)?;
            if value.is_true() == is_or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}
