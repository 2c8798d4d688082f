//! A task's privileges as the engine's security options (`moby: executor/container/container.go`, `applyPrivileges`).

use super::SpecError;
use crate::model::{Privileges, SelinuxContext};

/// `HostConfig.SecurityOpt`, in Docker's order.
pub(super) fn security_options(privileges: Option<&Privileges>) -> Result<Vec<String>, SpecError> {
    let mut options = Vec::new();
    let Some(privileges) = privileges else { return Ok(options) };
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
                let profile = decode_base64(&seccomp.profile)
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| SpecError("invalid seccomp profile: not base64 of a text".into()))?;
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
    Ok(options)
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

/// Standard base 64 with padding, as Go writes a `[]byte`.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let body = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in body.bytes() {
        bits = (bits << 6 | u32::from(digit(byte)?)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
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
            seccomp: Some(SeccompOpts { mode: "custom".into(), profile: "eyJhIjoxfQ==".into() }),
            app_armor: Some(AppArmorOpts { mode: "disabled".into() }),
            no_new_privileges: true,
        };
        assert_eq!(
            security_options(Some(&privileges)).unwrap(),
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

    #[test]
    fn a_profile_that_is_no_base64_is_refused() {
        let seccomp = SeccompOpts { mode: "custom".into(), profile: "***".into() };
        let privileges = Privileges { seccomp: Some(seccomp), ..Privileges::default() };
        assert!(security_options(Some(&privileges)).is_err());
        assert_eq!(decode_base64("QUJD").unwrap(), b"ABC");
        assert_eq!(decode_base64("QUI=").unwrap(), b"AB");
    }
}
