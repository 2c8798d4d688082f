//! Placeholder.
use crate::error::Error;
use crate::model::{NodeId, NodeSpec};
use crate::plan::Plan;
use super::Response;
pub(super) fn update(_plan: &mut Plan<'_>, _id: NodeId, _spec: NodeSpec, _version: u64) -> Result<Response, Error> { Ok(Response::Done) }
pub(super) fn remove(_plan: &mut Plan<'_>, _id: NodeId, _force: bool) -> Result<Response, Error> { Ok(Response::Done) }
