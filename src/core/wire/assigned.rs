//! Assignments and their differences as bytes. A spec that many tasks share is written once, and one that the receiver
//! has already not at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::assignment::{Assignments, ChangedTask, Difference};
use crate::model::{Network, NetworkId, ServiceSpec, Task, TaskId};
use crate::record::{self, CodecError};
use crate::state::codec::{Specs, TaskRecord};

#[derive(Serialize, Deserialize)]
struct FullRecord {
    index: u64,
    specs: Vec<Arc<ServiceSpec>>,
    tasks: Vec<TaskRecord>,
    networks: Vec<Arc<Network>>,
}

#[derive(Serialize, Deserialize)]
struct DifferenceRecord {
    from: u64,
    index: u64,
    specs: Vec<Arc<ServiceSpec>>,
    /// Tasks with their specs.
    tasks: Vec<TaskRecord>,
    /// Tasks whose specs are known; the numbers in them mean nothing.
    known: Vec<TaskRecord>,
    tasks_gone: Vec<TaskId>,
    networks: Vec<Arc<Network>>,
    networks_gone: Vec<NetworkId>,
}

/// The full set, for a new session.
pub fn encode_assignments(assignments: &Assignments) -> Vec<u8> {
    let mut specs = Specs::default();
    let tasks = assignments.tasks.values().map(|task| TaskRecord::of(task, specs.number(&task.origin))).collect();
    let networks = assignments.networks.values().cloned().collect();
    record::encode(&FullRecord { index: assignments.index, tasks, specs: specs.list, networks })
}

/// Reads a full set.
pub fn decode_assignments(bytes: &[u8]) -> Result<Assignments, CodecError> {
    let FullRecord { index, specs, tasks, networks } = record::decode(bytes)?;
    let tasks = tasks.into_iter().map(|task| task.restore(by_number(&specs)));
    Ok(Assignments {
        index,
        tasks: tasks.map(|task| (task.id, Arc::new(task))).collect(),
        networks: networks.into_iter().map(|network| (network.id, network)).collect(),
    })
}

/// A difference, for a session that is up to date until then.
pub fn encode_difference(difference: &Difference) -> Vec<u8> {
    let mut specs = Specs::default();
    let (mut tasks, mut known) = (Vec::new(), Vec::new());
    for ChangedTask { task, keeps_spec } in &difference.tasks {
        if *keeps_spec {
            known.push(TaskRecord::of(task, 0));
        } else {
            tasks.push(TaskRecord::of(task, specs.number(&task.origin)));
        }
    }
    record::encode(&DifferenceRecord {
        from: difference.from,
        index: difference.index,
        specs: specs.list,
        tasks,
        known,
        tasks_gone: difference.tasks_gone.clone(),
        networks: difference.networks.clone(),
        networks_gone: difference.networks_gone.clone(),
    })
}

/// Reads a difference. Tasks that keep their specs have none until the difference is applied.
pub fn decode_difference(bytes: &[u8]) -> Result<Difference, CodecError> {
    let read: DifferenceRecord = record::decode(bytes)?;
    let changed = |task: Task, keeps_spec: bool| ChangedTask { task: Arc::new(task), keeps_spec };
    let none = Arc::new(ServiceSpec::default());
    let with_spec = read.tasks.into_iter().map(|task| changed(task.restore(by_number(&read.specs)), false));
    let without = read.known.into_iter().map(|task| changed(task.restore(|_| none.clone()), true));
    Ok(Difference {
        from: read.from,
        index: read.index,
        tasks: with_spec.chain(without).collect(),
        tasks_gone: read.tasks_gone,
        networks: read.networks,
        networks_gone: read.networks_gone,
    })
}

/// A number without a spec is a mistake of the sender's that an empty spec makes visible: no container comes of it.
fn by_number(specs: &[Arc<ServiceSpec>]) -> impl Fn(usize) -> Arc<ServiceSpec> {
    |number| specs.get(number).cloned().unwrap_or_default()
}
