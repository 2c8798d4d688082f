//! Secrets and configs: how they come to be, get other labels, and go (swarmkit `manager/controlapi/{secret,config}.go`).
//!
//! Decides whether a request is taken; a value never changes once it is there, and never stands in a sentence.

use super::Response;
use super::validate::quote;
use crate::error::{Code, Error};
use crate::model::{Config, ConfigId, ConfigSpec, Driver, Meta, Payload, Secret, SecretId, SecretSpec, ServiceSpec};
use crate::plan::Plan;
use crate::state::{Change, State};

/// A secret is smaller than this (swarmkit `api/validation`).
const SECRET_MAX: usize = 500 * 1024;
/// A config is smaller than this.
const CONFIG_MAX: usize = 1000 * 1024;
/// Longest name of either.
const NAME_MAX: usize = 64;

type Answer = Result<Response, Error>;

/// Makes a secret.
pub(super) fn create(plan: &mut Plan<'_>, spec: SecretSpec) -> Answer {
    name(&spec.name)?;
    match &spec.driver {
        Some(driver) => return Err(no_driver(driver)),
        None => size("secret", &spec.data, SECRET_MAX)?,
    }
    if plan.state().secret_named(&spec.name).is_some() {
        return Err(taken("secret", &spec.name));
    }
    let id = plan.ids.fresh();
    plan.push(Change::SecretCreate { id, spec: Box::new(spec) });
    Ok(Response::Secret(id))
}

/// Gives a secret other labels.
pub(super) fn update(plan: &mut Plan<'_>, id: SecretId, spec: SecretSpec, version: u64) -> Answer {
    let secret = plan.state().secret(id).ok_or_else(|| unknown(format!("secret {id} not found")))?;
    let Secret { meta, spec: old, .. } = &**secret;
    labels_only((&old.name, &old.data), (&spec.name, &spec.data))?;
    in_sequence(meta, version)?;
    let spec = SecretSpec { labels: spec.labels, ..old.clone() };
    plan.push(Change::SecretUpdate { id, spec: Box::new(spec) });
    Ok(Response::Done)
}

/// Removes a secret that no service refers to. Tasks do not count, as in Docker: those that run keep what they have.
pub(super) fn remove(plan: &mut Plan<'_>, id: SecretId) -> Answer {
    let state = plan.state();
    let secret = state.secret(id).ok_or_else(|| unknown(format!("could not find secret {id}")))?;
    let id_text = id.to_string();
    let refers = |spec: &ServiceSpec| {
        let container = spec.task_template.container_spec.as_ref();
        container.is_some_and(|container| container.secrets.iter().any(|wanted| wanted.secret_id == id_text))
    };
    unused(state, "secret", &secret.spec.name, refers)?;
    plan.push(Change::SecretRemove { id });
    Ok(Response::Done)
}

/// Makes a config.
pub(super) fn create_config(plan: &mut Plan<'_>, spec: ConfigSpec) -> Answer {
    name(&spec.name)?;
    size("config", &spec.data, CONFIG_MAX)?;
    if plan.state().config_named(&spec.name).is_some() {
        return Err(taken("config", &spec.name));
    }
    let id = plan.ids.fresh();
    plan.push(Change::ConfigCreate { id, spec: Box::new(spec) });
    Ok(Response::Config(id))
}

/// Gives a config other labels.
pub(super) fn update_config(plan: &mut Plan<'_>, id: ConfigId, spec: ConfigSpec, version: u64) -> Answer {
    let config = plan.state().config(id).ok_or_else(|| unknown(format!("config {id} not found")))?;
    let Config { meta, spec: old, .. } = &**config;
    labels_only((&old.name, &old.data), (&spec.name, &spec.data))?;
    in_sequence(meta, version)?;
    let spec = ConfigSpec { labels: spec.labels, ..old.clone() };
    plan.push(Change::ConfigUpdate { id, spec: Box::new(spec) });
    Ok(Response::Done)
}

/// Removes a config that no service refers to.
pub(super) fn remove_config(plan: &mut Plan<'_>, id: ConfigId) -> Answer {
    let state = plan.state();
    let config = state.config(id).ok_or_else(|| unknown(format!("could not find config {id}")))?;
    let id_text = id.to_string();
    let refers = |spec: &ServiceSpec| {
        let container = spec.task_template.container_spec.as_ref();
        container.is_some_and(|container| container.configs.iter().any(|wanted| wanted.config_id == id_text))
    };
    unused(state, "config", &config.spec.name, refers)?;
    plan.push(Change::ConfigRemove { id });
    Ok(Response::Done)
}

fn name(name: &str) -> Result<(), Error> {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(invalid("name must be provided"));
    };
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(is_inner);
    if is_name && bytes.len() <= NAME_MAX {
        return Ok(());
    }
    Err(invalid(
        "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]",
    ))
}

fn size(kind: &str, data: &Payload, limit: usize) -> Result<(), Error> {
    if data.is_empty() || data.len() >= limit {
        return Err(invalid(format!("{kind} data must be larger than 0 and less than {limit} bytes")));
    }
    Ok(())
}

/// A driver is a plugin of Docker's, which managers ask for the value. Gam asks none, so to it none is there.
fn no_driver(driver: &Driver) -> Error {
    match driver.name.as_str() {
        "" => invalid("secret driver must have a name"),
        name => Error::rpc(Code::Unknown, format!("plugin {} not found", quote(name))),
    }
}

/// No data means the data that is there.
fn labels_only(old: (&str, &Payload), new: (&str, &Payload)) -> Result<(), Error> {
    if old.0 != new.0 || !new.1.is_empty() && old.1 != new.1 {
        return Err(invalid("only updates to Labels are allowed"));
    }
    Ok(())
}

fn in_sequence(meta: &Meta, seen: u64) -> Result<(), Error> {
    if meta.admits(seen) { Ok(()) } else { Err(Error::rpc(Code::Unknown, "update out of sequence")) }
}

fn unused(state: &State, kind: &str, name: &str, refers: impl Fn(&ServiceSpec) -> bool) -> Result<(), Error> {
    let users: Vec<&str> =
        state.services().filter(|service| refers(&service.spec)).map(|service| service.name()).collect();
    let services = match users.len() {
        0 => return Ok(()),
        1 => "service",
        _ => "services",
    };
    let users = users.join(", ");
    Err(invalid(format!("{kind} '{name}' is in use by the following {services}: {users}")))
}

fn taken(kind: &str, name: &str) -> Error {
    Error::rpc(Code::AlreadyExists, format!("{kind} {name} already exists"))
}

fn unknown(sentence: String) -> Error {
    Error::rpc(Code::NotFound, sentence)
}

fn invalid(sentence: impl std::fmt::Display) -> Error {
    Error::rpc(Code::InvalidArgument, sentence)
}
