//! Templates in environment, mounts and host name: `{{.Service.Name}}`, `{{.Node.Hostname}}`, `{{.Task.Slot}}` …
//!
//! Says what a template may know of its task and node, and which fields are templates (swarmkit `template/context.go`,
//! `template/expand.go`). They are expanded on the node; a manager expands them once for a task that does not exist, so
//! that what cannot be expanded at all is refused when the service is made ([`try_out`]).

use std::cell::Cell;
use std::sync::Arc;

use super::SpecError;
use crate::model::{ContainerSpec, Mount, NodeId, StringMap, Task};
use crate::template::{NoFunctions, Value, expand};

/// Steps that all templates of one service may take together ([`expand`]): the leader takes them, too, and others wait.
const STEPS: usize = 100_000;

/// What a template may know of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The node.
    pub node: NodeId,
    /// The engine's `Name`.
    pub hostname: String,
    /// `x86_64`, as the engine names it.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

/// What a template may know, as texts.
struct Facts<'f> {
    service_id: String,
    service_name: &'f str,
    labels: StringMap,
    node_id: String,
    hostname: &'f str,
    architecture: &'f str,
    os: &'f str,
    task_id: String,
    task_name: String,
    slot: String,
}

impl Facts<'_> {
    /// As the fields of Go's type `name`; Go's names of types are part of its errors.
    fn context(self, name: &'static str) -> Value {
        let service = vec![
            ("ID", self.service_id.into()),
            ("Name", self.service_name.into()),
            ("Labels", Value::Map(Arc::new(self.labels))),
        ];
        let platform = vec![("Architecture", self.architecture.into()), ("OS", self.os.into())];
        let node = vec![
            ("ID", self.node_id.into()),
            ("Hostname", self.hostname.into()),
            ("Platform", Value::of("template.Platform", platform)),
        ];
        let task = vec![("ID", self.task_id.into()), ("Name", self.task_name.into()), ("Slot", self.slot.into())];
        Value::of(
            name,
            vec![
                ("Service", Value::of("struct { ID string; Name string; Labels map[string]string }", service)),
                ("Node", Value::of("struct { ID string; Hostname string; Platform template.Platform }", node)),
                ("Task", Value::of("struct { ID string; Name string; Slot string }", task)),
            ],
        )
    }
}

/// What templates know of a task; `name` is Go's name of the whole.
pub(super) fn context(task: &Task, host: &Host, name: &'static str) -> Value {
    let facts = Facts {
        service_id: task.service.map(|id| id.to_string()).unwrap_or_default(),
        service_name: task.service_name(),
        labels: task.origin.labels.clone(),
        node_id: host.node.to_string(),
        hostname: &host.hostname,
        architecture: &host.architecture,
        os: &host.os,
        task_id: task.id.to_string(),
        task_name: task.name(),
        // What has no slot has its node instead.
        slot: if task.slot == 0 { host.node.to_string() } else { task.slot.to_string() },
    };
    facts.context(name)
}

/// Go's name of what the templates of a service know.
const CONTEXT: &str = "*template.Context";

/// The spec with every template expanded for a task; errors are worded as swarmkit words them.
pub(super) fn expand_for(spec: &ContainerSpec, task: &Task, host: &Host) -> Result<ContainerSpec, SpecError> {
    if has_template(spec) { expand_spec(spec, &context(task, host, CONTEXT)) } else { Ok(spec.clone()) }
}

/// The spec as it would be for some task, whose facts are made up (swarmkit `controlapi.validateContainerSpec`).
///
/// As there, that task's service has no labels, so that `{{.Service.Labels.x}}` is refused; `{{index .Service.Labels
/// "x"}}` is what works.
pub fn try_out(spec: &ContainerSpec) -> Result<ContainerSpec, SpecError> {
    if !has_template(spec) {
        return Ok(spec.clone());
    }
    let facts = Facts {
        service_id: "serviceid".into(),
        service_name: "servicename",
        labels: StringMap::new(),
        node_id: "nodeid".into(),
        hostname: "nodeHostname",
        architecture: "architecture",
        os: "os",
        task_id: String::new(),
        task_name: "taskname".into(),
        slot: "1".into(),
    };
    expand_spec(spec, &facts.context(CONTEXT))
}

/// Whether anything that is expanded holds the start of a template.
fn has_template(spec: &ContainerSpec) -> bool {
    let is_template = |text: &str| text.contains("{{");
    let in_mount = |mount: &Mount| {
        let options = mount.volume_options.as_ref();
        let labels = options.into_iter().flat_map(|options| options.labels.values());
        let driver = options.and_then(|options| options.driver_config.as_ref());
        let driver = driver.into_iter().flat_map(|driver| driver.options.values());
        is_template(&mount.source) || is_template(&mount.target) || labels.chain(driver).any(|text| is_template(text))
    };
    let in_variable = |variable: &String| is_template(variable);
    is_template(&spec.hostname) || spec.env.iter().any(in_variable) || spec.mounts.iter().any(in_mount)
}

fn expand_spec(spec: &ContainerSpec, context: &Value) -> Result<ContainerSpec, SpecError> {
    let left = Cell::new(STEPS);
    let expand = |text: &str| {
        let mut steps = left.get();
        let expanded = expand(text, context, &NoFunctions, &mut steps).map(|text| text.to_string());
        left.set(steps);
        expanded.map_err(|error| error.to_string())
    };
    let mut spec = spec.clone();
    for entry in &mut spec.env {
        // Of a variable only the value is a template, never the name.
        if let Some((name, value)) = entry.split_once('=') {
            let value = expand(value)
                .map_err(|error| SpecError(format!("expanding env failed: expanding env {entry:?}: {error}")))?;
            *entry = format!("{name}={value}");
        }
    }
    for mount in &mut spec.mounts {
        expand_mount(&expand, mount).map_err(|error| SpecError(format!("expanding mounts failed: {error}")))?;
    }
    spec.hostname = expand(&spec.hostname).map_err(|error| SpecError(format!("expanding hostname failed: {error}")))?;
    Ok(spec)
}

type Expand<'e> = dyn Fn(&str) -> Result<String, String> + 'e;

fn expand_mount(expand: &Expand<'_>, mount: &mut Mount) -> Result<(), String> {
    mount.source =
        expand(&mount.source).map_err(|error| format!("expanding mount source {:?}: {error}", mount.source))?;
    mount.target =
        expand(&mount.target).map_err(|error| format!("expanding mount target {:?}: {error}", mount.target))?;
    if let Some(options) = &mut mount.volume_options {
        expand_map(expand, &mut options.labels).map_err(|error| format!("expanding volume labels: {error}"))?;
        if let Some(driver) = &mut options.driver_config {
            expand_map(expand, &mut driver.options)
                .map_err(|error| format!("expanding volume driver config: {error}"))?;
        }
    }
    Ok(())
}

fn expand_map(expand: &Expand<'_>, map: &mut StringMap) -> Result<(), String> {
    for (key, value) in map {
        let expanded = expand(value).map_err(|error| format!("expanding map entry {key:?}={value:?}: {error}"))?;
        *value = expanded;
    }
    Ok(())
}
