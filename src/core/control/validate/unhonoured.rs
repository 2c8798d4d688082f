//! What Docker takes and Gam does not honour yet. Such a field is refused with a sentence that says what to do
//! instead; it is never accepted and then ignored.
//!
//! Asked last, so that a spec which Docker would refuse is refused in Docker's words. A feature that becomes real is
//! deleted here.

use crate::error::{Code, Error};
use crate::model::{ContainerSpec, PortConfig, ServiceSpec};

/// The first thing in a service that is not honoured yet, as a refusal (501); `None` if all of it is.
pub(in crate::control) fn unhonoured(spec: &ServiceSpec) -> Option<Error> {
    let container = spec.task_template.container_spec.as_ref();
    let sentence = if spec.endpoint_spec.iter().flat_map(|endpoint| &endpoint.ports).any(is_no_port) {
        "published ports above 65535 are not honoured by gam; give numbers from 1 to 65535"
    } else if has_mount(container, "cluster") {
        "mounts of type cluster are not honoured by gam yet; use a volume"
    } else {
        return None;
    };
    Some(Error::rpc(Code::Unimplemented, sentence))
}

/// Docker takes any number of 32 bits for the routing mesh, and then publishes nothing, or its tasks never start. Only one
/// that publishes no port of the container is taken here, too, for it asks for nothing.
fn is_no_port(port: &PortConfig) -> bool {
    let fits = |number: u32| u16::try_from(number).is_ok();
    port.publish_mode != "host" && !(fits(port.target_port) && fits(port.published_port))
}

fn has_mount(container: Option<&ContainerSpec>, kind: &str) -> bool {
    container.is_some_and(|container| container.mounts.iter().any(|mount| mount.r#type == kind))
}
