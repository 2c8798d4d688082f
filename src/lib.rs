//! Gam: swarm mode in front of an unmodified dockerd.
pub mod api;
pub mod config;
pub mod logging;
