//! Placeholder.
use crate::error::Error;
use crate::model::{Attachment, NetworkId, NetworkSpec, NodeId, TaskId};
use crate::plan::Plan;
use super::Response;
pub(super) fn create(_plan: &mut Plan<'_>, _spec: NetworkSpec) -> Result<Response, Error> { Ok(Response::Done) }
pub(super) fn remove(_plan: &mut Plan<'_>, _id: NetworkId) -> Result<Response, Error> { Ok(Response::Done) }
pub(super) fn attach(_plan: &mut Plan<'_>, _node: NodeId, _name: String, _container: String, _networks: Vec<Attachment>) -> Result<Response, Error> { Ok(Response::Done) }
pub(super) fn detach(_plan: &mut Plan<'_>, _task: TaskId) -> Result<Response, Error> { Ok(Response::Done) }
