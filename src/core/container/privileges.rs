//! A task's privileges as the engine's security options (`moby: executor/container/container.go`, `applyPrivileges`).

use crate::model::{Privileges, SelinuxContext};

/// `HostConfig.SecurityOpt`, in Docker's order.
pub(super) fn security_options(privileges: Option<&Privileges>) -> Vec<String> {
    let mut options = Vec::new();
    let Some(privileges) = privileges else { return options };
    if let Some(credentials) = &privileges.credential_spec {
        let sources =
            [("file", &credentials.file), ("registry", &credentials.registry), ("config", &credentials.config)];
        if let Some((kind, value)) = sources.iter().find(|(_, value)| !value.is_empty()) {
            options.push(format!("credentialspec={kind}://{value}"));
        }
    }
    if let Some(context) = &privileges.selinux_context {
        selinux(context, &mut options);
    }
    if let Some(seccomp) = &privileges.seccomp {
        match seccomp.mode.as_str() {
            "unconfined" => options.push("seccomp=unconfined".into()),
            "custom" => {
                // What is no profile, the engine refuses when it starts the container.
                let profile = String::from_utf8_lossy(seccomp.profile.bytes());
                options.push(format!("seccomp={profile}"));
            }
            _ => {}
        }
    }
    if privileges.app_armor.as_ref().is_some_and(|app_armor| app_armor.mode == "disabled") {
        options.push("apparmor=unconfined".into());
    }
    if privileges.no_new_privileges {
        options.push("no-new-privileges=true".into());
    }
    options
}

fn selinux(context: &SelinuxContext, options: &mut Vec<String>) {
    if context.disable {
        options.push("label=disable".into());
    }
    for (kind, value) in
        [("user", &context.user), ("role", &context.role), ("level", &context.level), ("type", &context.r#type)]
    {
        if !value.is_empty() {
            options.push(format!("label={kind}:{value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppArmorOpts, CredentialSpec, SeccompOpts};

    #[test]
    fn options_come_in_dockers_order() {
        let privileges = Privileges {
            credential_spec: Some(CredentialSpec { file: "spec.json".into(), ..CredentialSpec::default() }),
            selinux_context: Some(SelinuxContext {
                disable: true,
                user: "u".into(),
                role: "r".into(),
                r#type: "t".into(),
                level: "l".into(),
            }),
            seccomp: Some(SeccompOpts { mode: "custom".into(), profile: br#"{"a":1}"#.as_slice().into() }),
            app_armor: Some(AppArmorOpts { mode: "disabled".into() }),
            no_new_privileges: true,
        };
        assert_eq!(
            security_options(Some(&privileges)),
            [
                "credentialspec=file://spec.json",
                "label=disable",
                "label=user:u",
                "label=role:r",
                "label=level:l",
                "label=type:t",
                "seccomp={\"a\":1}",
                "apparmor=unconfined",
                "no-new-privileges=true",
            ]
        );
    }
}
