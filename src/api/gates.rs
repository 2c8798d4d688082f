//! What each API version adds or hides in the swarm's own calls (`moby: api/server/router/swarm/helpers.go`).

use axum::extract::Request;
use gam_core::model::ServiceSpec;

use super::version::ApiVersion;

/// The version that a request was made for: the one in its path, else the newest.
pub fn version(request: &Request) -> ApiVersion {
    request.extensions().get::<ApiVersion>().copied().unwrap_or(ApiVersion::NEWEST)
}

/// Whether lists of services may carry `ServiceStatus` (1.41).
pub fn has_service_status(request: &Request) -> bool {
    version(request) >= ApiVersion::new(1, 41)
}

/// Whether log streams say in their type that they are multiplexed (1.42).
pub fn has_multiplexed_type(request: &Request) -> bool {
    version(request) >= ApiVersion::new(1, 42)
}

/// Whether dockerd itself asks registries for the digests of images: since 1.30 clients do.
pub fn pins_images(request: &Request) -> bool {
    version(request) < ApiVersion::new(1, 30)
}

/// Drops the fields of a service spec that came after `version`.
pub fn adjust(version: ApiVersion, spec: &mut ServiceSpec) {
    let before = |minor| version < ApiVersion::new(1, minor);
    let task = &mut spec.task_template;
    if before(40) {
        task.placement.iter_mut().for_each(|placement| placement.max_replicas = 0);
    }
    if before(41) {
        let limits = task.resources.iter_mut().filter_map(|resources| resources.limits.as_mut());
        limits.for_each(|limit| limit.pids = 0);
        spec.mode.replicated_job = None;
        spec.mode.global_job = None;
    }
    let Some(container) = task.container_spec.as_mut() else { return };
    if before(46) {
        container
            .mounts
            .iter_mut()
            .filter_map(|mount| mount.tmpfs_options.as_mut())
            .for_each(|tmpfs| tmpfs.options.clear());
        container.oom_score_adj = 0;
    }
    if before(44) {
        if let Some(privileges) = &mut container.privileges {
            privileges.seccomp = None;
            privileges.app_armor = None;
            privileges.no_new_privileges = false;
        }
        container.healthcheck.iter_mut().for_each(|check| check.start_interval = 0);
    }
    if before(41) {
        container.capability_add.clear();
        container.capability_drop.clear();
        container.ulimits.clear();
    }
    if before(40) {
        container.sysctls.clear();
        container.configs.iter_mut().for_each(|config| config.runtime = None);
        let credentials = container.privileges.iter_mut().filter_map(|privileges| privileges.credential_spec.as_mut());
        credentials.for_each(|spec| spec.config.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gam_core::model::{ContainerSpec, Placement, TaskSpec};

    #[test]
    fn older_versions_lose_newer_fields() {
        let mut spec = ServiceSpec {
            task_template: TaskSpec {
                container_spec: Some(ContainerSpec { oom_score_adj: 5, ..ContainerSpec::default() }),
                placement: Some(Placement { max_replicas: 3, ..Placement::default() }),
                ..TaskSpec::default()
            },
            ..ServiceSpec::default()
        };
        let newest = spec.clone();
        adjust(ApiVersion::new(1, 46), &mut spec);
        assert_eq!(spec, newest);
        adjust(ApiVersion::new(1, 39), &mut spec);
        assert_eq!(spec.task_template.placement.unwrap().max_replicas, 0);
        assert_eq!(spec.task_template.container_spec.unwrap().oom_score_adj, 0);
    }
}
