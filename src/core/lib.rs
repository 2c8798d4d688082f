//! The pure core of Gam: the nouns of swarm mode, the replicated state, and every decision that a leader takes.
//!
//! Nothing in this crate does I/O, reads a clock, or makes a random number: time ([`model::Timestamp`]) and
//! identifiers ([`model::IdSource`]) are inputs. That is why a decision can be replayed, compared with the
//! decision of another manager, and tested in microseconds.
//!
//! Modules are declared in the order in which data meets them.

pub mod error;
pub mod json;
pub mod model;
pub mod record;
pub mod state;
pub mod template;

pub mod focus;
pub mod plan;

pub mod allocator;
pub mod control;
pub mod orchestrator;
pub mod release;
pub mod scheduler;
pub mod step;

pub mod assignment;
pub mod wire;

pub mod crypt;
pub mod plane;

pub mod discovery;

pub mod agent;
pub mod container;

#[cfg(test)]
mod fixture;
