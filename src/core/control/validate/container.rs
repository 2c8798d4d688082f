//! Whether a container is well formed, as Docker's control API sees it: references to secrets and configs, image,
//! templates, mounts, health check. What the engine will say of it is not known here.

use super::{Checked, image, invalid, quote, refuse_if};
use crate::container::try_out;
use crate::model::{ConfigReference, ContainerSpec, HealthConfig, Mount, SecretReference};

/// The shortest duration of a health check, ns: 1 ms. Zero means "as the image says".
const MIN_DURATION: i64 = 1_000_000;

/// Checks a container, in Docker's order.
pub(super) fn container_spec(container: &ContainerSpec) -> Checked {
    secrets(&container.secrets)?;
    configs(container)?;
    // What follows is asked of the container as a task would have it.
    let container = &try_out(container).map_err(invalid)?;
    refuse_if(container.image.is_empty(), "ContainerSpec: image reference must be provided")?;
    if !image::is_image(&container.image) {
        let image = quote(&container.image);
        return Err(invalid(format!("ContainerSpec: {image} is not a valid repository/tag")));
    }
    mounts(&container.mounts)?;
    container.healthcheck.as_ref().map_or(Ok(()), healthcheck)
}

fn secrets(references: &[SecretReference]) -> Checked {
    let mut targets = Vec::new();
    for SecretReference { file, secret_id, secret_name } in references {
        refuse_if(secret_id.is_empty() || secret_name.is_empty(), "malformed secret reference")?;
        let Some(file) = file else {
            return Err(invalid("malformed secret reference, no target provided"));
        };
        refuse_if(file.name.is_empty(), "malformed file secret reference, invalid target file name provided")?;
        claim(&mut targets, "secret", &file.name, secret_name)?;
    }
    Ok(())
}

fn configs(container: &ContainerSpec) -> Checked {
    let wanted = container.privileges.as_ref().and_then(|privileges| privileges.credential_spec.as_ref());
    let wanted = wanted.map_or("", |credentials| &credentials.config);
    let mut found = wanted.is_empty();
    let mut targets = Vec::new();
    for ConfigReference { file, runtime, config_id, config_name } in &container.configs {
        refuse_if(config_id.is_empty() || config_name.is_empty(), "malformed config reference")?;
        if let Some(file) = file {
            refuse_if(file.name.is_empty(), "malformed file config reference, invalid target file name provided")?;
            claim(&mut targets, "config", &file.name, config_name)?;
        }
        found |= runtime.is_some() && config_id == wanted;
    }
    if found {
        return Ok(());
    }
    Err(invalid(format!(
        "CredentialSpec references config '{wanted}', but that config isn't in config references with RuntimeTarget"
    )))
}

/// Two references cannot appear under one file name.
fn claim<'a>(targets: &mut Vec<(&'a str, &'a str)>, kind: &str, file: &'a str, name: &'a str) -> Checked {
    if let Some((_, earlier)) = targets.iter().find(|(taken, _)| *taken == file) {
        return Err(invalid(format!("{kind} references '{earlier}' and '{name}' have a conflicting target: '{file}'")));
    }
    targets.push((file, name));
    Ok(())
}

fn mounts(mounts: &[Mount]) -> Checked {
    for (at, mount) in mounts.iter().enumerate() {
        if mounts[..at].iter().any(|earlier| earlier.target == mount.target) {
            return Err(invalid(format!("ContainerSpec: duplicate mount point: {}", mount.target)));
        }
    }
    Ok(())
}

fn healthcheck(check: &HealthConfig) -> Checked {
    for (name, duration) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if duration != 0 && duration < MIN_DURATION {
            return Err(invalid(format!("ContainerSpec: {name} in HealthConfig cannot be less than 1ms")));
        }
    }
    refuse_if(check.retries < 0, "ContainerSpec: Retries in HealthConfig cannot be negative")
}
