//! Placeholder.
use crate::error::Error;
use crate::model::{ServiceId, ServiceSpec};
use crate::plan::Plan;
use super::Response;
pub(super) fn create(_plan: &mut Plan<'_>, _spec: ServiceSpec) -> Result<Response, Error> { Ok(Response::Done) }
pub(super) fn update(_plan: &mut Plan<'_>, _id: ServiceId, _spec: ServiceSpec, _version: u64, _rollback: bool) -> Result<Response, Error> { Ok(Response::Done) }
pub(super) fn remove(_plan: &mut Plan<'_>, _id: ServiceId) -> Result<Response, Error> { Ok(Response::Done) }
