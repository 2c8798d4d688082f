//! Finding what a user named: by full id, then by name, then by a unique prefix of the id, with Docker's sentences
//! (`moby: daemon/cluster/helpers.go`).

use std::sync::Arc;

use super::State;
use crate::error::Error;
use crate::model::id::prefix_range;
use crate::model::{
    Config, ConfigId, Network, NetworkId, Node, NodeId, Secret, SecretId, Service, ServiceId, Task, TaskId,
};

/// An object found, shared with the state it was found in.
pub type Found<T> = Result<Arc<T>, Error>;

/// Whatever matches: one is an answer, none and several are refusals.
fn unique<'a, T: 'a>(kind: &str, input: &str, mut matches: impl Iterator<Item = &'a Arc<T>>) -> Found<T> {
    let Some(first) = matches.next() else {
        return Err(Error::not_found(format!("{kind} {input} not found")));
    };
    match matches.count() {
        0 => Ok(first.clone()),
        more => Err(Error::invalid(format!("{kind} {input} is ambiguous ({} matches found)", more + 1))),
    }
}

macro_rules! find {
    ($(#[$doc:meta] $find:ident $kind:literal $type:ident $id:ident $table:ident $named:expr;)*) => {
        impl State {$(
            #[$doc]
            pub fn $find(&self, input: &str) -> Found<$type> {
                if let Some(object) = input.parse::<$id>().ok().and_then(|id| self.$table.get(&id)) {
                    return Ok(object.clone());
                }
                let named: fn(&State, &str) -> Vec<Arc<$type>> = $named;
                let by_name = named(self, input);
                if !by_name.is_empty() {
                    return unique($kind, input, by_name.iter());
                }
                match prefix_range(input) {
                    Some((low, high)) if !input.is_empty() => {
                        unique($kind, input, self.$table.range($id::from(low)..=$id::from(high)).map(|(_, object)| object))
                    }
                    _ => unique($kind, input, std::iter::empty()),
                }
            }
        )*}
    };
}

find! {
    /// Finds a service by id, name or unique id prefix.
    find_service "service" Service ServiceId services |state, name| state.service_named(name).cloned().into_iter().collect();
    /// Finds a node by id, host name or unique id prefix.
    find_node "node" Node NodeId nodes |state, name| {
        state.nodes().filter(|node| node.description.hostname == name).cloned().collect()
    };
    /// Finds a task by id, name or unique id prefix.
    find_task "task" Task TaskId tasks |state, name| {
        // A task's name ends with its id, so that its other parts need no search.
        let id = name.rsplit('.').next().and_then(|id| id.parse::<TaskId>().ok());
        id.and_then(|id| state.task(id)).filter(|task| task.name() == name).cloned().into_iter().collect()
    };
    /// Finds a network by id, name or unique id prefix.
    find_network "network" Network NetworkId networks |state, name| state.network_named(name).cloned().into_iter().collect();
    /// Finds a secret by id, name or unique id prefix.
    find_secret "secret" Secret SecretId secrets |state, name| state.secret_named(name).cloned().into_iter().collect();
    /// Finds a config by id, name or unique id prefix.
    find_config "config" Config ConfigId configs |state, name| state.config_named(name).cloned().into_iter().collect();
}
