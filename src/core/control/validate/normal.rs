//! The normal form of a service: what dockerd stores and prints back, whatever a client sent.
//!
//! dockerd turns a spec into swarmkit's messages and back (`daemon/cluster/convert`, 28.5); what does not survive that
//! journey is not there afterwards. Here the journey is one function on Docker's own spelling, applied once, on
//! entry. It is idempotent: a spec that was read and is posted back is the same spec, so no task is replaced. Its
//! refusals have no `rpc error:` prefix, because in dockerd they come from the conversion.
//!
//! Found out on dockerd 28.5.2, each field set, empty and null, by `GET` after `POST`:
//!
//! - `Mode` unset or `Replicated: {}` → `Replicas: 1`; `ReplicatedJob: {}` → `MaxConcurrent: 1`, and
//!   `TotalCompletions` is `MaxConcurrent` unless given.
//! - `Runtime` is always `container`; `PluginSpec` and `NetworkAttachmentSpec` beside a container disappear.
//! - `Isolation`: `hyperv` and `process` in any case, everything else is `default`.
//! - `RestartPolicy: {}` → `Condition: any, MaxAttempts: 0`; `Delay` and `Window` stay absent, and 0 stays 0.
//! - `UpdateConfig: {}` and `RollbackConfig: {}` → `FailureAction: pause, Order: stop-first, Parallelism: 0`.
//! - `EndpointSpec: {}` → `Mode: vip`; a port gets `Protocol: tcp, PublishMode: ingress`, whatever unknown word it had.
//! - `Resources: {}`, `Limits: {}`, `Reservations: {}`, `Placement: {}`, `LogDriver: {}`, `Healthcheck: {}`,
//!   `DNSConfig: {}`, `Privileges: {}`, `VolumeOptions: {}`, `DriverConfig: {}`, `TmpfsOptions: {}` stay, empty.
//! - Empty lists and maps are absent, except `Labels` of the service, which is always there.
//! - `Seccomp` and `AppArmor` modes: an unknown word, or none, is `default`.
//! - A mount's type is `bind` unless given, in small letters; `image` is unknown. `Consistency`, `ClusterOptions` and
//!   `ImageOptions` disappear, and so does `BindOptions` with nothing in it; with something in it the propagation is `rprivate` unless given.
//! - Placement preferences without `Spread` disappear; those with an empty descriptor stay.
//! - `Retries` is cut to 32 bits.
//!
//! Two things differ on purpose. Networks at the service level, deprecated, are moved into the task template, where
//! everything else looks for them. `CreateMountpoint`, `ReadOnlyNonRecursive` and `ReadOnlyForceRecursive` of a bind
//! mount, and swap, are kept, where dockerd drops them silently.

use super::quote;
use crate::error::Error;
use crate::model::{
    BindOptions, ConfigReference, ContainerSpec, CredentialSpec, EndpointSpec, GlobalService, Mount, Privileges,
    ReplicatedJob, ReplicatedService, RestartPolicy, ServiceMode, ServiceSpec, TaskSpec, UpdateConfig,
};

/// Brings a spec into its normal form, or refuses what dockerd's conversion refuses, in its order.
pub(in crate::control) fn normalise(mut spec: ServiceSpec) -> Result<ServiceSpec, Error> {
    let is_plugin = runtime(&mut spec)?;
    let task = &mut spec.task_template;
    if let Some(policy) = &mut task.restart_policy {
        restart_policy(policy)?;
    }
    if let Some(placement) = &mut task.placement {
        placement.preferences.retain(|preference| preference.spread.is_some());
    }
    for config in [&mut spec.update_config, &mut spec.rollback_config].into_iter().flatten() {
        update_config(config)?;
    }
    if let Some(endpoint) = &mut spec.endpoint_spec {
        endpoint_spec(endpoint)?;
    }
    spec.mode = service_mode(spec.mode)?;
    if is_plugin {
        return Err(Error::internal("runtime type \"plugin\" only supported in experimental"));
    }
    Ok(spec)
}

/// What runs: a container. Says whether a plugin is asked for, which is refused once the rest is known to be sound.
fn runtime(spec: &mut ServiceSpec) -> Result<bool, Error> {
    let TaskSpec { container_spec, plugin_spec, network_attachment_spec, runtime, .. } = &mut spec.task_template;
    match (runtime.as_str(), container_spec, &plugin_spec) {
        ("container" | "", Some(container), _) => {
            self::container(container)?;
            "container".clone_into(runtime);
            *plugin_spec = None;
            *network_attachment_spec = None;
            Ok(false)
        }
        ("plugin", _, Some(_)) if spec.mode.replicated.is_some() => {
            Err(Error::invalid("plugins must not use replicated mode"))
        }
        ("plugin", _, Some(_)) => {
            spec.mode.global = Some(GlobalService {});
            Ok(true)
        }
        ("container" | "" | "plugin", _, _) => Err(Error::invalid("mismatched Runtime and *Spec fields")),
        _ => Err(Error::invalid("unsupported runtime")),
    }
}

fn container(container: &mut ContainerSpec) -> Result<(), Error> {
    if let Some(privileges) = &mut container.privileges {
        self::privileges(privileges)?;
    }
    container.configs.iter().try_for_each(config_reference)?;
    container.mounts.iter_mut().try_for_each(mount)?;
    container.isolation = match container.isolation.to_ascii_lowercase() {
        known if known == "hyperv" || known == "process" => known,
        _ => "default".to_owned(),
    };
    if let Some(check) = &mut container.healthcheck {
        // Swarmkit keeps 32 bits; what a greater number becomes is part of what it prints back.
        check.retries = i64::from(check.retries as i32);
    }
    Ok(())
}

fn privileges(privileges: &mut Privileges) -> Result<(), Error> {
    if let Some(credentials) = &privileges.credential_spec {
        credential_spec(credentials)
            .map_err(|sentence| Error::invalid(format!("invalid CredentialSpec: {sentence}")))?;
    }
    // Here, unlike elsewhere, capital letters make an unknown word.
    if let Some(seccomp) = privileges.seccomp.as_mut().filter(|it| !matches!(&*it.mode, "unconfined" | "custom")) {
        "default".clone_into(&mut seccomp.mode);
    }
    if let Some(app_armor) = privileges.app_armor.as_mut().filter(|it| it.mode != "disabled") {
        "default".clone_into(&mut app_armor.mode);
    }
    Ok(())
}

/// Exactly one source.
fn credential_spec(credentials: &CredentialSpec) -> Result<(), String> {
    let CredentialSpec { config, file, registry } = credentials;
    let sources: Vec<&str> = [(config, "\"config\""), (file, "\"file\""), (registry, "\"registry\"")]
        .into_iter()
        .filter_map(|(value, name)| (!value.is_empty()).then_some(name))
        .collect();
    match sources.as_slice() {
        [] => Err("must either provide \"file\", \"registry\", or \"config\" for credential spec".to_owned()),
        [_] => Ok(()),
        [one, other] => Err(format!("cannot specify both {one} and {other} credential specs")),
        [most @ .., last] => Err(format!("cannot specify both {}, and {last} credential specs", most.join(", "))),
    }
}

fn config_reference(reference: &ConfigReference) -> Result<(), Error> {
    match (&reference.file, &reference.runtime) {
        (None, None) => Err(Error::invalid("invalid Config: either File or Runtime should be set")),
        (Some(_), Some(_)) => Err(Error::invalid("invalid Config: cannot specify both File and Runtime")),
        _ => Ok(()),
    }
}

fn mount(mount: &mut Mount) -> Result<(), Error> {
    let kind = mount.r#type.to_ascii_lowercase();
    match kind.as_str() {
        "" => "bind".clone_into(&mut mount.r#type),
        "bind" | "volume" | "tmpfs" | "npipe" | "cluster" => mount.r#type = kind,
        _ => return Err(Error::invalid(format!("invalid MountType: {}", quote(&mount.r#type)))),
    }
    if let Some(options) = &mut mount.bind_options {
        let propagation = options.propagation.to_ascii_lowercase();
        match propagation.as_str() {
            "" if *options == BindOptions::default() => mount.bind_options = None,
            "" => "rprivate".clone_into(&mut options.propagation),
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => options.propagation = propagation,
            _ => return Err(Error::invalid(format!("invalid MountPropagation: {}", quote(&options.propagation)))),
        }
    }
    mount.consistency.clear();
    mount.cluster_options = None;
    mount.image_options = None;
    Ok(())
}

fn restart_policy(policy: &mut RestartPolicy) -> Result<(), Error> {
    match policy.condition.as_str() {
        "none" | "on-failure" | "any" => {}
        "" => "any".clone_into(&mut policy.condition),
        unknown => return Err(Error::invalid(format!("invalid RestartCondition: {}", quote(unknown)))),
    }
    policy.max_attempts.get_or_insert(0);
    Ok(())
}

fn update_config(config: &mut UpdateConfig) -> Result<(), Error> {
    match config.failure_action.as_str() {
        "pause" | "continue" | "rollback" => {}
        "" => "pause".clone_into(&mut config.failure_action),
        unknown => return Err(Error::invalid(format!("unrecognized update failure action {unknown}"))),
    }
    match config.order.as_str() {
        "stop-first" | "start-first" => {}
        "" => "stop-first".clone_into(&mut config.order),
        unknown => return Err(Error::invalid(format!("unrecognized update order {unknown}"))),
    }
    Ok(())
}

fn endpoint_spec(endpoint: &mut EndpointSpec) -> Result<(), Error> {
    match endpoint.mode.as_str() {
        "vip" | "dnsrr" => {}
        "" => "vip".clone_into(&mut endpoint.mode),
        unknown => return Err(Error::invalid(format!("invalid resolution mode: {}", quote(unknown)))),
    }
    for port in &mut endpoint.ports {
        port.protocol = known_word(&port.protocol, &["tcp", "udp", "sctp"]);
        port.publish_mode = known_word(&port.publish_mode, &["ingress", "host"]);
    }
    Ok(())
}

/// The word in small letters, or the first of `words` if it is none of them.
fn known_word(word: &str, words: &[&str]) -> String {
    words.iter().find(|known| known.eq_ignore_ascii_case(word)).unwrap_or(&words[0]).to_string()
}

fn service_mode(mode: ServiceMode) -> Result<ServiceMode, Error> {
    let ServiceMode { replicated, global, replicated_job, global_job } = mode;
    let count = [replicated.is_some(), global.is_some(), replicated_job.is_some(), global_job.is_some()];
    if count.into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err(Error::invalid("must specify only one service mode"));
    }
    if global.is_some() || global_job.is_some() {
        return Ok(ServiceMode { global, global_job, ..ServiceMode::default() });
    }
    if let Some(job) = replicated_job {
        let max_concurrent = job.max_concurrent.unwrap_or(1);
        let total_completions = job.total_completions.unwrap_or(max_concurrent);
        let job = ReplicatedJob { max_concurrent: Some(max_concurrent), total_completions: Some(total_completions) };
        return Ok(ServiceMode { replicated_job: Some(job), ..ServiceMode::default() });
    }
    let replicas = replicated.and_then(|replicated| replicated.replicas).unwrap_or(1);
    Ok(ServiceMode { replicated: Some(ReplicatedService { replicas: Some(replicas) }), ..ServiceMode::default() })
}
