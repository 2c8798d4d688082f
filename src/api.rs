//! The Docker API edge.
pub mod listen;
pub mod proxy;
pub mod serve;
pub mod version;
