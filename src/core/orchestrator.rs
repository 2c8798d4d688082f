//! Placeholder.
use crate::plan::Plan;
/// Orchestrates.
pub fn plan(_plan: &mut Plan<'_>) {}
