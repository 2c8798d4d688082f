//! The values of secrets and configs, as files for the containers of this node's tasks.
//!
//! Those that are templates are expanded on the way, and nowhere else. They are on a `tmpfs` of Gam's, which nobody but root can enter, and never on a disk: one that is not swapped out where the
//! kernel has such a thing (6.4). A task's folder is made with its container, since dockerd looks for what is to be mounted; the
//! values are written just before the container starts, and the folder goes when the task has ended. Containers keep what they
//! have mounted.
//!
//! Nothing is written down beside them: after a restart of Gam the files are still there, after one of the host the tasks that
//! had them are over, and what is to be started then gets its values from a manager with its assignment.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gam_core::assignment::Assignments;
use gam_core::container::Host;
use gam_core::container::files::{self, Source};
use gam_core::container::payload::{self, Values};
use gam_core::model::{ConfigId, ConfigSpec, Driver, NodeId, Secret, SecretId, Task, TaskId};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use zeroize::Zeroizing;

use crate::seal::Key;

/// Where the files of all nodes on this host are. There is one node, unless several Gams run here.
const ROOT: &str = "/run/gam/tasks";
/// What the kernel calls the file system (`statfs(2)`).
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Why a task cannot have its files, in Docker's words where it has some.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    /// The place for all of them.
    #[error("cannot mount a tmpfs for secrets and configs at {}: {why}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// One of them.
    #[error("error injecting {name}: {why}")]
    Write {
        /// Its name on the host.
        name: String,
        /// Why.
        why: io::Error,
    },
    /// The secret was removed since the service was made.
    #[error("unable to get secret from secret store: secret {0} not found")]
    NoSecret(String),
    /// The config was removed since.
    #[error("unable to get config from config store: config {0} not found")]
    NoConfig(String),
    /// The secret was sealed with a key that is not this agent's.
    #[error("unable to get secret from secret store: secret {0} cannot be opened")]
    Sealed(String),
    /// The secret is a template that cannot be expanded.
    #[error("unable to get secret from secret store: failed to expand templated secret {0}: {1}")]
    SecretTemplate(String, String),
    /// The config is one.
    #[error("unable to get config from config store: failed to expand templated config {0}: {1}")]
    ConfigTemplate(String, String),
    /// Its user or group is no number.
    #[error("{0}")]
    Owner(String),
}

/// The files of one node's tasks.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    folder: PathBuf,
    /// Opens the values of secrets.
    key: Option<Key>,
    /// Whether the root is to be a file system of its own; tests cannot mount one.
    mounted: bool,
}

impl Files {
    /// The files of `node`, whose secrets are opened with `key` if they are sealed.
    pub(super) fn of(node: NodeId, key: Option<Key>) -> Files {
        Files { root: ROOT.into(), folder: Path::new(ROOT).join(node.to_string()), key, mounted: true }
    }

    /// Where the folders of the tasks are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes empty files where the task's container will look for them.
    pub(super) fn reserve(&self, task: &Task) -> Result<(), FilesError> {
        let wanted = files::files(task);
        if wanted.is_empty() {
            return Ok(());
        }
        if self.mounted {
            mount_at(&self.root).map_err(|why| FilesError::Mount { path: self.root.clone(), why })?;
        }
        let folder = files::folder(&self.folder, task);
        for file in wanted {
            let made = make_folder(&folder).and_then(|()| {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(false).mode(0o000).open(folder.join(&file.name))
            });
            made.map_err(|why| FilesError::Write { name: file.name, why })?;
        }
        Ok(())
    }

    /// Writes the values, each file at once and whole.
    pub(super) fn fill(&self, task: &Task, host: &Host, assignments: &Assignments) -> Result<(), FilesError> {
        self.reserve(task)?;
        let folder = files::folder(&self.folder, task);
        for file in files::files(task) {
            let value = value(file.source, task, host, &Held { assignments, key: self.key.as_ref() })?;
            let owner = file.owner().map_err(FilesError::Owner)?;
            write(&folder.join(&file.name), &value, owner, file.mode())
                .map_err(|why| FilesError::Write { name: file.name, why })?;
        }
        Ok(())
    }

    /// Forgets the files of all tasks but those that are assigned here and have not ended.
    pub(super) fn keep(&self, assignments: &Assignments) {
        let Ok(folders) = fs::read_dir(&self.folder) else { return };
        for folder in folders.flatten() {
            let task = folder.file_name().to_str().and_then(|id| id.parse::<TaskId>().ok());
            let task = task.and_then(|id| assignments.tasks.get(&id));
            if task.is_none_or(|task| task.status.state.is_terminal()) {
                remove(&folder.path());
            }
        }
    }
}

/// The value of a file, expanded if it is a template. It is cleared when it is let go.
fn value(source: Source<'_>, task: &Task, host: &Host, held: &Held<'_>) -> Result<Zeroizing<Vec<u8>>, FilesError> {
    let expanded =
        |value: &[u8], templating: Option<&Driver>| payload::expanded(source, value, templating, task, host, held);
    match source {
        Source::Secret(id) => {
            let secret = held.secret_of(id).ok_or_else(|| FilesError::NoSecret(id.to_owned()))?;
            let value = held.value_of(secret).ok_or_else(|| FilesError::Sealed(id.to_owned()))?;
            expanded(&value, secret.spec.templating.as_ref())
                .map_err(|why| FilesError::SecretTemplate(id.to_owned(), why))
        }
        Source::Config(id) => {
            let config = held.config_of(id).ok_or_else(|| FilesError::NoConfig(id.to_owned()))?;
            expanded(config.data.bytes(), config.templating.as_ref())
                .map_err(|why| FilesError::ConfigTemplate(id.to_owned(), why))
        }
    }
}

/// The secrets and configs that the node was given.
struct Held<'a> {
    assignments: &'a Assignments,
    key: Option<&'a Key>,
}

impl Held<'_> {
    fn secret_of(&self, id: &str) -> Option<&Secret> {
        let id = id.parse::<SecretId>().ok()?;
        self.assignments.secrets.get(&id).map(Arc::as_ref)
    }

    /// The value of a secret, in a buffer of its own; `None` if it cannot be opened.
    fn value_of(&self, secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
        if self.assignments.is_sealed {
            self.key?.open(secret)
        } else {
            Some(Zeroizing::new(secret.spec.data.bytes().to_vec()))
        }
    }

    fn config_of(&self, id: &str) -> Option<&ConfigSpec> {
        let config = id.parse::<ConfigId>().ok().and_then(|id| self.assignments.configs.get(&id));
        config.map(|config| &config.spec)
    }
}

impl Values for Held<'_> {
    fn secret(&self, id: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.value_of(self.secret_of(id)?)
    }

    fn config(&self, id: &str) -> Option<&[u8]> {
        self.config_of(id).map(|config| config.data.bytes())
    }
}

/// Forgets the files of all tasks of a node that is no more.
pub fn forget(node: NodeId) {
    let root = Path::new(ROOT);
    remove(&root.join(node.to_string()));
    let is_empty = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty
        && is_mounted(root).unwrap_or(false)
        && let Err(error) = unmount(root, UnmountFlags::DETACH)
    {
        tracing::debug!(%error, "the tmpfs of secrets and configs stays mounted, and is empty");
    }
}

fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!(%error, folder = %folder.display(), "cannot remove the secrets and configs of a task");
        }
        _ => {}
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn write(path: &Path, value: &[u8], (user, group): (u32, u32), mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(value)?;
    fchown(&file, Some(user), Some(group))?;
    file.set_permissions(Permissions::from_mode(mode))?;
    fs::rename(&new, path)
}

/// Whether a file system of its own, in memory, is mounted there.
fn is_mounted(path: &Path) -> io::Result<bool> {
    let Some(parent) = path.parent() else { return Ok(false) };
    let is_own = fs::metadata(path)?.dev() != fs::metadata(parent)?.dev();
    Ok(is_own && u64::try_from(rustix::fs::statfs(path)?.f_type).ok() == Some(TMPFS_MAGIC))
}

/// Mounts a tmpfs there, unless there is one. Of tasks that start together one does it: a second one would hide the first's.
fn mount_at(path: &Path) -> io::Result<()> {
    static MOUNTING: Mutex<()> = Mutex::new(());
    let _alone = MOUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    make_folder(path)?;
    if is_mounted(path)? {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mounted = ["mode=0700,noswap", "mode=0700"].map(CString::new);
    let mut refused = io::Error::from(io::ErrorKind::Unsupported);
    for options in mounted.into_iter().flatten() {
        match mount("gam", path, "tmpfs", flags, Some(&*options)) {
            Ok(()) => return Ok(()),
            Err(error) => refused = error.into(),
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Payload, SecretSpec, ServiceSpec, TaskState};

    use super::*;

    fn place(name: &str) -> Files {
        let root = std::env::temp_dir().join(format!("gam-files-{}-{name}", std::process::id()));
        Files { folder: root.join("node"), root, key: None, mounted: false }
    }

    fn own_ids() -> (String, String) {
        (rustix::process::getuid().as_raw().to_string(), rustix::process::getgid().as_raw().to_string())
    }

    fn assigned(uid: &str, gid: &str) -> (Arc<Task>, Assignments) {
        let id = SecretId::from(5);
        let spec: ServiceSpec = serde_json::from_value(serde_json::json!({
            "TaskTemplate": { "ContainerSpec": { "Image": "busybox", "Secrets": [{
                "File": { "Name": "key", "UID": uid, "GID": gid, "Mode": 0o440 }, "SecretID": id, "SecretName": "s" }] } },
        }))
        .unwrap();
        let task = Arc::new(Task {
            id: 7.into(),
            meta: Default::default(),
            service: None,
            slot: 1,
            node: None,
            origin: Arc::new(spec),
            desired: TaskState::Running,
            status: Default::default(),
            networks: Vec::new(),
            restart: Default::default(),
            parting: None,
            generic: Vec::new(),
            default_log_driver: None,
            iteration: None,
        });
        let data = Payload::from(b"hush".as_slice());
        let spec = SecretSpec { data, ..SecretSpec::default() };
        let secret = Arc::new(Secret { id, meta: Default::default(), spec });
        let tasks = [(task.id, task.clone())].into_iter().collect();
        let secrets = [(id, secret)].into_iter().collect();
        (task, Assignments { tasks, secrets, ..Assignments::default() })
    }

    #[test]
    fn a_task_has_its_files_from_its_start_to_its_end() {
        let files = place("life");
        let (uid, gid) = own_ids();
        let (task, mut assignments) = assigned(&uid, &gid);
        let path = files::folder(files.folder(), &task).join("secret-0");
        files.reserve(&task).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0, "the value only comes with the start");
        files.fill(&task, &host(), &assignments).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hush");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o440);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
        // Whoever takes the task up again finds it as it is, and may write it again.
        files.reserve(&task).unwrap();
        files.fill(&task, &host(), &assignments).unwrap();
        files.keep(&assignments);
        assert_eq!(fs::read(&path).unwrap(), b"hush");
        let mut ended = (*task).clone();
        ended.status.state = TaskState::Failed;
        assignments.tasks.insert(task.id, Arc::new(ended));
        files.keep(&assignments);
        assert!(!path.exists());
        files.fill(&task, &host(), &assignments).unwrap();
        files.keep(&Assignments::default());
        assert!(!path.exists());
        fs::remove_dir_all(&files.root).unwrap();
    }

    fn host() -> Host {
        Host { node: 9.into(), hostname: "host1".into(), architecture: "x86_64".into(), os: "linux".into() }
    }

    #[test]
    fn a_template_is_expanded_into_its_file_and_its_errors_hold_nothing_of_it() {
        let files = place("template");
        let (uid, gid) = own_ids();
        let (task, mut assignments) = assigned(&uid, &gid);
        let mut template = |text: &[u8]| {
            let id = SecretId::from(5);
            let templating = Some(Driver { name: "golang".into(), ..Driver::default() });
            let spec = SecretSpec { data: Payload::from(text), templating, ..SecretSpec::default() };
            assignments.secrets.insert(id, Arc::new(Secret { id, meta: Default::default(), spec }));
            files.fill(&task, &host(), &assignments)
        };
        template(b"on {{.Node.Hostname}}: {{secret \"key\" | len}}").unwrap();
        let path = files::folder(files.folder(), &task).join("secret-0");
        assert_eq!(fs::read(&path).unwrap(), b"on host1: 45");
        let refused = template(b"{{hunter2}}").unwrap_err().to_string();
        let id = SecretId::from(5);
        let begin =
            format!("unable to get secret from secret store: failed to expand templated secret {id}: template: ");
        assert!(refused.starts_with(&begin) && !refused.contains("hunter2"), "{refused}");
        fs::remove_dir_all(&files.root).unwrap();
    }

    #[test]
    fn sealed_values_are_opened_into_their_files_and_for_templates() {
        let key = Key::fresh().unwrap();
        let files = Files { key: Some(key.clone()), ..place("sealed") };
        let (uid, gid) = own_ids();
        let (task, mut open) = assigned(&uid, &gid);
        let path = files::folder(files.folder(), &task).join("secret-0");
        files.fill(&task, &host(), &key.seal_all(&open).unwrap()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hush");
        let id = SecretId::from(5);
        let templating = Some(Driver { name: "golang".into(), ..Driver::default() });
        let data = Payload::from(b"{{secret \"key\" | len}}".as_slice());
        let spec = SecretSpec { data, templating, ..SecretSpec::default() };
        open.secrets.insert(id, Arc::new(Secret { id, meta: Default::default(), spec }));
        files.fill(&task, &host(), &key.seal_all(&open).unwrap()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"22");
        let foreign = Key::fresh().unwrap().seal_all(&open).unwrap();
        let refused = files.fill(&task, &host(), &foreign).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("unable to get secret from secret store: secret {id} cannot be opened")
        );
        fs::remove_dir_all(&files.root).unwrap();
    }

    #[test]
    fn what_cannot_be_had_is_said_in_dockers_words() {
        let files = place("wrong");
        let (task, mut assignments) = assigned("root", "0");
        let refused = files.fill(&task, &host(), &assignments).unwrap_err();
        assert_eq!(refused.to_string(), "strconv.Atoi: parsing \"root\": invalid syntax");
        assignments.secrets.clear();
        let refused = files.fill(&task, &host(), &assignments).unwrap_err();
        let id = SecretId::from(5);
        assert_eq!(refused.to_string(), format!("unable to get secret from secret store: secret {id} not found"));
        fs::remove_dir_all(&files.root).unwrap();
    }

    #[test]
    fn of_tasks_that_start_together_one_mounts() {
        // Only root may mount; who may not has no second mount either.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let place = std::env::temp_dir().join(format!("gam-files-{}-mount", std::process::id()));
        let at = place.join("tmpfs");
        fs::create_dir_all(&place).unwrap();
        let together = std::sync::Barrier::new(8);
        let mount = || {
            together.wait();
            mount_at(&at)
        };
        let done: Vec<io::Result<()>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..8).map(|_| scope.spawn(mount)).collect();
            running.into_iter().map(|running| running.join().unwrap()).collect()
        });
        let mut mounts = 0;
        while rustix::mount::unmount(&at, rustix::mount::UnmountFlags::DETACH).is_ok() {
            mounts += 1;
        }
        fs::remove_dir_all(&place).unwrap();
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        assert_eq!(mounts, 1);
    }
}
