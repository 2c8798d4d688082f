//! What Docker takes and Gam does not honour yet. Such a field is refused with a sentence that says what to do
//! instead; it is never accepted and then ignored.
//!
//! Asked last, so that a spec which Docker would refuse is refused in Docker's words. A feature that becomes real is
//! deleted here.

use crate::error::{Code, Error};
use crate::model::{ContainerSpec, Mount, PortConfig, ServiceSpec};

/// The first thing in a service that is not honoured yet, as a refusal (501); `None` if all of it is.
pub(in crate::control) fn unhonoured(spec: &ServiceSpec) -> Option<Error> {
    let task = &spec.task_template;
    let container = task.container_spec.as_ref();
    let reservations = task.resources.as_ref().and_then(|resources| resources.reservations.as_ref());
    let sentence = if spec.mode.replicated_job.is_some() || spec.mode.global_job.is_some() {
        "jobs are not honoured by gam yet; use a replicated or a global service"
    } else if spec.endpoint_spec.iter().flat_map(|endpoint| &endpoint.ports).any(is_no_port) {
        "published ports above 65535, or without a target port, are not honoured by gam; give numbers from 1 to 65535"
    } else if has_credential_spec(container) || has_runtime_config(container) {
        "credential specs are not honoured by gam; they are for Windows"
    } else if has_mount(container, "npipe") {
        "mounts of type npipe are not honoured by gam; they are for Windows"
    } else if has_mount(container, "cluster") {
        "mounts of type cluster are not honoured by gam yet; use a volume"
    } else if reservations.is_some_and(|reservations| !reservations.generic_resources.is_empty()) {
        "generic resources are not honoured by gam yet; use node labels and placement constraints"
    } else if task.networks.iter().any(|network| !network.driver_opts.is_empty()) {
        "driver options of a network attachment are not honoured by gam yet; leave them out"
    } else if container.is_some_and(has_template) {
        "templates in environment, hostname and mounts are not honoured by gam yet; write the value out"
    } else {
        return None;
    };
    Some(Error::rpc(Code::Unimplemented, sentence))
}

/// Docker takes any number of 32 bits for the routing mesh, and then publishes nothing.
fn is_no_port(port: &PortConfig) -> bool {
    let fits = |number: u32| u16::try_from(number).is_ok();
    port.publish_mode != "host" && (port.target_port == 0 || !fits(port.target_port) || !fits(port.published_port))
}

fn has_credential_spec(container: Option<&ContainerSpec>) -> bool {
    container.and_then(|container| container.privileges.as_ref()).is_some_and(|wanted| wanted.credential_spec.is_some())
}

/// A config that is no file is for a credential spec.
fn has_runtime_config(container: Option<&ContainerSpec>) -> bool {
    container.is_some_and(|container| container.configs.iter().any(|config| config.file.is_none()))
}

fn has_mount(container: Option<&ContainerSpec>, kind: &str) -> bool {
    container.is_some_and(|container| container.mounts.iter().any(|mount| mount.r#type == kind))
}

/// Whether anything that Docker expands for each task holds the start of a template (swarmkit `template/expand.go`).
fn has_template(container: &ContainerSpec) -> bool {
    let is_template = |text: &str| text.contains("{{");
    let in_mount = |mount: &Mount| {
        let options = mount.volume_options.as_ref();
        let labels = options.into_iter().flat_map(|options| options.labels.values());
        let driver = options.and_then(|options| options.driver_config.as_ref());
        let driver = driver.into_iter().flat_map(|driver| driver.options.values());
        is_template(&mount.source) || is_template(&mount.target) || labels.chain(driver).any(|text| is_template(text))
    };
    // Of a variable only the value is a template, never the name.
    let in_variable = |variable: &String| variable.split_once('=').is_some_and(|(_, value)| is_template(value));
    is_template(&container.hostname) || container.env.iter().any(in_variable) || container.mounts.iter().any(in_mount)
}
