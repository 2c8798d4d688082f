//! Generic resources: what an operator declared of a host beside processors and memory (`dockerd
//! --node-generic-resource`), counted or by name (swarmkit `api/genericresource`).
//!
//! A task asks for a number of a kind; of a counted kind it gets that number, of a named one so many names. Which, is
//! written into the task, so that two tasks never have the same one.

use std::collections::BTreeMap;

use super::{DiscreteGenericResource, GenericResource, NamedGenericResource};

/// What is free, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supply(BTreeMap<String, Stock>);

/// What is free of one kind. The first that a node says of a kind tells which it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stock {
    Count(i64),
    Names(Vec<String>),
}

impl Supply {
    /// What a node declares, as long as nobody has any of it.
    pub fn of(declared: &[GenericResource]) -> Supply {
        let mut supply = Supply::default();
        for resource in declared {
            if let Some(DiscreteGenericResource { kind, value }) = &resource.discrete_resource_spec {
                supply.0.entry(kind.clone()).or_insert(Stock::Count(*value));
            } else if let Some(NamedGenericResource { kind, value }) = &resource.named_resource_spec {
                let stock = supply.0.entry(kind.clone()).or_insert_with(|| Stock::Names(Vec::new()));
                if let Stock::Names(names) = stock {
                    names.push(value.clone());
                }
            }
        }
        supply
    }

    /// Whether so many of a kind are free. Of a kind that was never declared not even none is, as in swarmkit.
    pub fn has(&self, kind: &str, count: i64) -> bool {
        match self.0.get(kind) {
            None => false,
            Some(Stock::Count(left)) => count <= *left,
            Some(Stock::Names(names)) => usize::try_from(count).is_ok_and(|count| count <= names.len()) || count < 0,
        }
    }

    /// Gives away what is asked for, by kind and number, and says what that is.
    pub fn claim(&mut self, wanted: &[(String, i64)]) -> Vec<GenericResource> {
        let mut given = Vec::new();
        for (kind, count) in wanted.iter().filter(|(_, count)| *count > 0) {
            match self.0.get_mut(kind) {
                None => {}
                Some(Stock::Count(left)) => {
                    *left = left.saturating_sub(*count);
                    given.push(counted(kind, *count));
                }
                Some(Stock::Names(names)) => {
                    let count = usize::try_from(*count).map_or(names.len(), |count| count.min(names.len()));
                    given.extend(names.drain(..count).map(|name| named(kind, name)));
                }
            }
        }
        given
    }

    /// Takes out what somebody has. False if it was not there: the node declares something else by now.
    pub fn take(&mut self, resource: &GenericResource) -> bool {
        let GenericResource { discrete_resource_spec: count, named_resource_spec: name } = resource;
        match (count, name) {
            (Some(DiscreteGenericResource { kind, value }), _) => match self.0.get_mut(kind) {
                Some(Stock::Count(left)) => {
                    let was_there = *value <= *left;
                    *left = left.saturating_sub(*value);
                    was_there
                }
                _ => false,
            },
            (None, Some(NamedGenericResource { kind, value })) => match self.0.get_mut(kind) {
                Some(Stock::Names(names)) => {
                    let at = names.iter().position(|name| name == value);
                    at.map(|at| names.remove(at)).is_some()
                }
                _ => false,
            },
            (None, None) => true,
        }
    }
}

fn counted(kind: &str, value: i64) -> GenericResource {
    let count = DiscreteGenericResource { kind: kind.to_owned(), value };
    GenericResource { discrete_resource_spec: Some(count), named_resource_spec: None }
}

fn named(kind: &str, value: String) -> GenericResource {
    let name = NamedGenericResource { kind: kind.to_owned(), value };
    GenericResource { named_resource_spec: Some(name), discrete_resource_spec: None }
}

/// What a container is told of its resources: `DOCKER_RESOURCE_GPU=one,two`, by kind.
pub fn variables(resources: &[GenericResource]) -> Vec<String> {
    let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for GenericResource { discrete_resource_spec: count, named_resource_spec: name } in resources {
        if let Some(count) = count {
            values.entry(&count.kind).or_default().push(count.value.to_string());
        } else if let Some(name) = name {
            values.entry(&name.kind).or_default().push(name.value.clone());
        }
    }
    let variable = |(kind, values): (&str, Vec<String>)| {
        let name = format!("DOCKER_RESOURCE_{kind}").to_uppercase();
        format!("{name}={}", values.join(","))
    };
    values.into_iter().map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(kind: &str, count: i64) -> Vec<(String, i64)> {
        vec![(kind.to_owned(), count)]
    }

    fn gpus() -> Vec<GenericResource> {
        vec![named("gpu", "one".into()), counted("disk", 3), named("gpu", "two".into())]
    }

    #[test]
    fn what_one_has_no_other_gets() {
        let mut free = Supply::of(&gpus());
        assert!(free.has("gpu", 2) && !free.has("gpu", 3) && free.has("disk", 3) && !free.has("disk", 4));
        assert!(!free.has("fpga", 0) && free.has("gpu", 0) && free.has("gpu", -1));
        let first = free.claim(&wanted("gpu", 1));
        assert_eq!(first, [named("gpu", "one".into())]);
        let second = free.claim(&[("disk".into(), 2), ("gpu".into(), 1)]);
        assert_eq!(second, [counted("disk", 2), named("gpu", "two".into())]);
        assert!(!free.has("gpu", 1) && free.has("disk", 1));
        assert_eq!(free.claim(&[("gpu".into(), 0), ("disk".into(), -4), ("fpga".into(), 1)]), []);

        let mut again = Supply::of(&gpus());
        assert!(first.iter().chain(&second).all(|resource| again.take(resource)));
        assert_eq!(again, free);
        assert!(!again.take(&first[0]) && !again.take(&counted("disk", 2)) && !again.take(&counted("gpu", 1)));
    }

    #[test]
    fn a_container_is_told_what_it_has() {
        assert_eq!(variables(&gpus()), ["DOCKER_RESOURCE_DISK=3", "DOCKER_RESOURCE_GPU=one,two"]);
        assert_eq!(variables(&[]), Vec::<String>::new());
    }
}
