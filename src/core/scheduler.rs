//! Placeholder.
use crate::plan::Plan;
/// Schedules.
pub fn plan(_plan: &mut Plan<'_>) {}
