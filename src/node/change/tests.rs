//! A change of what a node is, with no dockerd and nobody else there: what is on the disk decides.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use gam_core::control;
use gam_core::model::IdSource;
use gam_rpc::Role;
use gam_store::KeySource;

use super::*;
use crate::agent::AgentConfig;
use crate::ca;
use crate::engine::Engine;
use crate::network::Networks;
use crate::node::directory::{Advertised, Directory};
use crate::node::roles::seal;

const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// A state directory of a manager that is alone.
struct Disk {
    folder: PathBuf,
    identity: Identity,
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Disk {
    async fn of_manager() -> Disk {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("gam-change-{}-{count}", std::process::id()));
        let mut ids = IdSource::new([11; 32]);
        let identity = Identity {
            format: 0,
            node: ids.fresh(),
            cluster: ids.fresh(),
            role: NodeRole::Manager,
            raft_id: 7,
            listen: "127.0.0.1:0".into(),
            advertise: "127.0.0.1:1".into(),
            advertised: Advertised::Given,
            data_path: None,
            managers: Vec::new(),
            history: None,
        };
        let disk = Disk { folder, identity };
        let node = disk.open().await;
        let root = ca::new_root().unwrap();
        let (key, csr) = ca::new_key_and_csr().unwrap();
        let chain = ca::sign(&root, &csr, disk.identity.cluster, disk.identity.node, Role::Manager, DAY).unwrap();
        node.0.directory.keep_certificates(&root.cert, &chain, &key).unwrap();
        let store = Store::create(disk.store_config(&node)).await.unwrap();
        store.shutdown().await;
        node.0.directory.adopt(&disk.identity).unwrap();
        disk
    }

    /// The node as it is after a start.
    async fn open(&self) -> Node {
        let engine = Engine::new("/nowhere/docker.sock");
        let agent = AgentConfig::new(engine.clone(), Networks::new(engine), None);
        Node::open(Directory::open(&self.folder).unwrap(), agent).await.unwrap()
    }

    fn store_config(&self, node: &Node) -> gam_store::Config {
        let trust = Trust::open(&node.0.directory).unwrap();
        node.store_config(&self.identity, KeySource::OnDisk, &trust)
    }
}

/// A manager's number in the consensus, and how much it knows.
fn standing(node: &Node) -> (u64, u64) {
    let kept = node.0.directory.identity().unwrap().unwrap();
    assert_eq!((node.status(), kept.role), ("active/manager", NodeRole::Manager));
    (kept.raft_id, node.manager().unwrap().state().index())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_begins_anew_is_another_member_without_a_state() {
    let disk = Disk::of_manager().await;
    let node = disk.open().await;
    node.begin_anew(8).await;
    assert_eq!(standing(&node).0, 7, "that was said of another one");
    node.begin_anew(7).await;
    let (raft_id, index) = standing(&node);
    assert!(raft_id != 7 && raft_id != 0 && index == 0, "{raft_id} {index}");
    assert!(node.manager().unwrap().store().members().is_empty());
    node.stop().await;
}

/// What is on the disk of the key of the node's certificate, for whoever has the disk alone.
fn lies_open(disk: &Disk) -> bool {
    std::fs::read_to_string(disk.folder.join("certificates/swarm-node.json")).unwrap().contains("PRIVATE KEY")
}

/// A locked manager's certificate opens the whole cluster, so its key is locked like its state, until it is a worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_manager_seals_the_key_of_its_certificate_too() {
    let disk = Disk::of_manager().await;
    let unlock_key = control::unlock_key([7; 32]);
    let node = disk.open().await;
    assert!(lies_open(&disk));
    let store = node.manager().unwrap().store().clone();
    seal(&node, &store, key_source(&unlock_key)).await.unwrap();
    assert!(!lies_open(&disk));
    node.stop().await;
    drop((store, node));

    let node = disk.open().await;
    assert_eq!(node.status(), "locked");
    node.unlock(&control::unlock_key([8; 32])).await.unwrap_err();
    assert_eq!(node.status(), "locked");
    node.unlock(&unlock_key).await.unwrap();
    assert_eq!(node.status(), "active/manager");
    assert!(!lies_open(&disk));
    node.change_role(NodeRole::Worker).await;
    assert_eq!((node.status(), lies_open(&disk)), ("active/worker", true));
    node.stop().await;
}

/// Between the steps of a change of the unlock key either key opens all that is there.
#[tokio::test]
async fn a_change_of_the_unlock_key_that_is_cut_short_opens_with_either() {
    let disk = Disk::of_manager().await;
    let directory = Directory::open(&disk.folder).unwrap();
    let kept = directory.certificates_kept().unwrap();
    let [old, new, other] = [1, 2, 3].map(|byte| zeroize::Zeroizing::new([byte; 32]));
    directory.seal_key(vec![old.clone()]).unwrap();
    directory.seal_key_also(Some(new.clone())).unwrap();
    for (key, opens) in [(old, true), (new, true), (other, false)] {
        directory.unlock_with(Some(key));
        assert_eq!(directory.certificates_kept().ok(), opens.then(|| kept.clone()));
    }
}
