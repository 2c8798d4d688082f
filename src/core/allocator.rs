//! Placeholder.
use crate::plan::Plan;
/// Allocates.
pub fn plan(_plan: &mut Plan<'_>) {}
