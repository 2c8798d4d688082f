//! A task's secrets and configs as files: where the container sees each, whose it is, and what it is called on the host.
//!
//! Every reference is a file of its own, so that one secret can be there twice with different owners; Docker keeps one file
//! for each secret, and of two references the last written one wins. The values are the agent's to write.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::model::{FileTarget, Task};

/// What the value of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The secret of this id.
    Secret(&'a str),
    /// The config of this id.
    Config(&'a str),
}

/// One file of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct File<'a> {
    /// Its name in the task's folder on the host.
    pub name: String,
    /// Its value.
    pub source: Source<'a>,
    /// Where the container sees it.
    pub target: PathBuf,
    wanted: &'a FileTarget,
}

impl File<'_> {
    /// The user and the group of the file, as the kernel takes them; what is no number is refused in Go's words.
    pub fn owner(&self) -> Result<(u32, u32), String> {
        Ok((atoi(&self.wanted.uid)?, atoi(&self.wanted.gid)?))
    }

    /// Its permissions. Of the other bits Docker honours none.
    pub fn mode(&self) -> u32 {
        self.wanted.mode & 0o777
    }
}

/// All files of a task.
pub fn files(task: &Task) -> Vec<File<'_>> {
    let Some(spec) = &task.spec().container_spec else { return Vec::new() };
    let file = |kind: &str, at: usize, source, base: &str, wanted: &FileTarget| {
        (format!("{kind}-{at}"), source, clean(&Path::new(base).join(&wanted.name)))
    };
    let secrets = spec.secrets.iter().enumerate().filter_map(|(at, wanted)| {
        let target = wanted.file.as_ref()?;
        Some((file("secret", at, Source::Secret(&wanted.secret_id), "/run/secrets", target), target))
    });
    let configs = spec.configs.iter().enumerate().filter_map(|(at, wanted)| {
        let target = wanted.file.as_ref()?;
        Some((file("config", at, Source::Config(&wanted.config_id), "/", target), target))
    });
    let all = secrets.chain(configs);
    all.map(|((name, source, target), wanted)| File { name, source, target, wanted }).collect()
}

/// The folder of a task's files among those of all tasks.
pub fn folder(all: &Path, task: &Task) -> PathBuf {
    all.join(task.id.to_string())
}

/// The mounts of a task's files.
pub(super) fn render(task: &Task, all: &Path) -> Vec<Value> {
    let folder = folder(all, task);
    let mount = |file: File<'_>| {
        json!({
            "Type": "bind",
            "Source": folder.join(&file.name),
            "Target": file.target,
            "ReadOnly": true,
            "BindOptions": { "Propagation": "rprivate" },
        })
    };
    files(task).into_iter().map(mount).collect()
}

/// A path without `.` and `..`, as Go's `filepath.Clean` leaves it.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean
}

/// Go's `strconv.Atoi`; the kernel takes the low bits.
fn atoi(text: &str) -> Result<u32, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match text.parse::<i64>() {
        Ok(number) => Ok((number & i64::from(u32::MAX)) as u32),
        Err(error) => {
            let overflow = matches!(error.kind(), PosOverflow | NegOverflow);
            let why = if overflow { "value out of range" } else { "invalid syntax" };
            Err(format!("strconv.Atoi: parsing {text:?}: {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests::task;
    use crate::model::ServiceSpec;

    fn with(secrets: Value, configs: Value) -> Task {
        let spec: ServiceSpec = crate::json::from_value(&json!({
            "TaskTemplate": { "ContainerSpec": { "Image": "busybox", "Secrets": secrets, "Configs": configs } },
        }))
        .unwrap();
        task(spec)
    }

    fn secret(name: &str, uid: &str, mode: u32) -> Value {
        json!({ "File": { "Name": name, "UID": uid, "GID": "8", "Mode": mode }, "SecretID": "s", "SecretName": "s" })
    }

    #[test]
    fn every_reference_is_a_file_of_its_own() {
        let configs = json!([{ "File": { "Name": "etc/c", "UID": "0", "GID": "0", "Mode": 0o444 }, "ConfigID": "c" },
            { "Runtime": {}, "ConfigID": "r" }]);
        let task =
            with(json!([secret("a", "7", 0o400), secret("/abs/b", "0", 0o4755), secret("../c", "0", 0)]), configs);
        let found = files(&task);
        let shown: Vec<(&str, &Path, u32)> =
            found.iter().map(|file| (&*file.name, &*file.target, file.mode())).collect();
        assert_eq!(
            shown,
            [
                ("secret-0", Path::new("/run/secrets/a"), 0o400),
                ("secret-1", Path::new("/abs/b"), 0o755),
                ("secret-2", Path::new("/run/c"), 0),
                ("config-0", Path::new("/etc/c"), 0o444),
            ]
        );
        assert_eq!((found[0].source, found[3].source), (Source::Secret("s"), Source::Config("c")));
        assert_eq!(found[0].owner(), Ok((7, 8)));
        let mounts = render(&task, Path::new("/run/gam"));
        assert_eq!(mounts.len(), 4);
        assert_eq!(mounts[1]["Source"], format!("/run/gam/{}/secret-1", task.id));
        assert_eq!((&mounts[1]["Target"], &mounts[1]["ReadOnly"]), (&json!("/abs/b"), &json!(true)));
    }

    /// Recorded from dockerd 28.5.2 (`secret/bad_owner`).
    #[test]
    fn an_owner_is_a_number() {
        let task = with(
            json!([secret("a", "root", 0), secret("b", "99999999999999999999", 0), secret("c", "-1", 0)]),
            json!([]),
        );
        let owners: Vec<_> = files(&task).iter().map(File::owner).collect();
        assert_eq!(owners[0], Err("strconv.Atoi: parsing \"root\": invalid syntax".into()));
        assert_eq!(owners[1], Err("strconv.Atoi: parsing \"99999999999999999999\": value out of range".into()));
        assert_eq!(owners[2], Ok((u32::MAX, 8)));
    }
}
