//! `insertDefaults=true`: a service spec with everything filled in that swarmkit would assume
//! (`swarmkit: api/defaults/service.go`).

use gam_core::model::{
    ContainerSpec, DnsConfig, Placement, ResourceRequirements, RestartPolicy, ServiceSpec, UpdateConfig,
};

/// 10 s between the stop signal and the kill.
const STOP_GRACE_PERIOD: i64 = 10_000_000_000;
/// 5 s before a replacement runs.
const RESTART_DELAY: i64 = 5_000_000_000;
/// 5 s of watching a new task.
const MONITOR: i64 = 5_000_000_000;

/// The spec with its defaults.
pub fn with_defaults(spec: &ServiceSpec) -> ServiceSpec {
    let mut spec = spec.clone();
    let task = &mut spec.task_template;
    if let Some(container) = &mut task.container_spec {
        fill_container(container);
    }
    task.resources.get_or_insert_with(ResourceRequirements::default);
    let restart = task.restart_policy.get_or_insert_with(RestartPolicy::default);
    if restart.condition.is_empty() {
        restart.condition = "any".into();
    }
    restart.delay.get_or_insert(RESTART_DELAY);
    restart.max_attempts.get_or_insert(0);
    task.placement.get_or_insert_with(Placement::default);
    for config in [&mut spec.update_config, &mut spec.rollback_config] {
        let config = config.get_or_insert_with(update_defaults);
        if config.monitor == 0 {
            config.monitor = MONITOR;
        }
    }
    spec
}

fn fill_container(container: &mut ContainerSpec) {
    container.stop_grace_period.get_or_insert(STOP_GRACE_PERIOD);
    container.dns_config.get_or_insert_with(DnsConfig::default);
}

fn update_defaults() -> UpdateConfig {
    UpdateConfig {
        parallelism: 1,
        delay: 0,
        failure_action: "pause".into(),
        monitor: MONITOR,
        max_failure_ratio: 0.0,
        order: "stop-first".into(),
    }
}
