//! Gam: swarm mode in front of an unmodified dockerd.

pub mod config;
pub mod logging;

pub mod api;

pub mod ca;
pub mod dispatcher;
pub mod manager;
pub mod node;

pub mod agent;
pub mod engine;
pub mod network;

pub mod start;

#[cfg(test)]
mod tidy;
